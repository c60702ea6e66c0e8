"""The base of all recordings: topics, and the messages of one topic."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from streamseg.closing import Closing
from streamseg.errors import SourceError

CAMERA_KINDS = (
    "sensor_msgs/Image",
    "sensor_msgs/CompressedImage",
    "foxglove.RawImage",
    "foxglove.CompressedImage",
    "foxglove.CompressedVideo",
)
"""Types of messages that hold an image, see ``kind_of``."""


def kind_of(schema_name: str) -> str:
    """The name of a message type, the same for ROS 1, ROS 2 and Foxglove.

    >>> kind_of("sensor_msgs/msg/Image"), kind_of("foxglove_msgs/msg/RawImage")
    ('sensor_msgs/Image', 'foxglove.RawImage')
    """
    name = schema_name.replace("/msg/", "/")
    package, _, kind = name.rpartition("/")
    return f"foxglove.{kind}" if package == "foxglove_msgs" else name


class CutOffError(SourceError):
    """The rest of a recording cannot be read, because it is cut off or damaged."""


class Topic(NamedTuple):
    """One topic of a recording."""

    name: str
    kind: str
    """Type of its messages, see ``kind_of``."""
    message_count: int | None
    """None if the recording does not state it."""

    @property
    def is_camera(self) -> bool:
        """Whether its messages hold images."""
        return self.kind in CAMERA_KINDS

    def __str__(self) -> str:
        """Name, type and count."""
        count = "" if self.message_count is None else f", {self.message_count} messages"
        return f"{self.name} ({self.kind}{count})"


class Message(NamedTuple):
    """One message, not yet decoded."""

    log_ns: int
    """When the recorder received it, in ns."""
    data: bytes
    decode: Callable[[bytes], Any]
    """Returns an object with the fields of the message as attributes."""


class Recording(Closing):
    """An opened recording. Reading one topic at a time is supported."""

    path: Path
    topics: tuple[Topic, ...]
    """Sorted by name."""
    duration_seconds: float | None
    """From the first to the last message of all topics; None if it is not stated."""
    span_ns: tuple[int, int] | None = None
    """Log times of the first and the last message; None if messages cannot be read from a given
    log time on, as without an index."""
    damaged_parts = 0
    """Number of parts that ``messages`` has skipped so far, because they cannot be read."""

    @abstractmethod
    def messages(
        self, topic: str, start_ns: int | None = None, stop_ns: int | None = None
    ) -> Iterator[Message]:
        """The messages of one topic in the order of their log times.

        Without an index they come in the order of the file.

        Args:
            topic: its name.
            start_ns: log time of the first message; only where there is ``span_ns``.
            stop_ns: log time behind the last message, likewise.

        Raises:
            CutOffError: the rest cannot be read.
            SourceError: the messages cannot be decoded.
        """

    @property
    def cameras(self) -> tuple[Topic, ...]:
        """The topics that hold images."""
        return tuple(topic for topic in self.topics if topic.is_camera)

    def camera(self, name: str | None) -> Topic:
        """The camera topic with this name, or the only one.

        Raises:
            SourceError: there is no such topic, it holds no images, or ``name`` is None and the
                recording has several camera topics or none.
        """
        listed = ", ".join(str(topic) for topic in self.cameras)
        has = f"{self.path} has these camera topics: {listed}" if listed else self._no_camera()
        if name is None:
            if len(self.cameras) == 1:
                return self.cameras[0]
            if not listed:
                raise SourceError(has)
            example = f"{self.path}#{self.cameras[0].name}"
            raise SourceError(f"{has}; choose with --topic, or name the source {example}")
        found = next((topic for topic in self.topics if topic.name == name), None)
        if found is None:
            raise SourceError(f"no topic {name}: {has}")
        if not found.is_camera:
            raise SourceError(f"topic {name} holds {found.kind}, not images: {has}")
        return found

    def _no_camera(self) -> str:
        kinds = ", ".join(sorted({topic.kind for topic in self.topics})) or "nothing"
        return (
            f"{self.path} has no camera topic; it holds {kinds}, and images are "
            f"{', '.join(CAMERA_KINDS)}"
        )

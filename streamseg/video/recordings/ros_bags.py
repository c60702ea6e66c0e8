"""Read ROS 1 bags and ROS 2 bags with SQLite storage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from streamseg.errors import MissingExtraError, SourceError
from streamseg.frame import NS_PER_SECOND
from streamseg.video.recordings.decoders import Decoder, Schema, decoder_of
from streamseg.video.recordings.recording import CutOffError, Message, Recording, Topic, kind_of

ROS1_SUFFIXES = (".bag", ".bag.active")
"""Of ROS 1 bags; the second is one whose recorder was killed."""

# What the library raises on damaged bytes, besides its own errors.
_DAMAGED = (ValueError, LookupError, AssertionError, EOFError, RuntimeError, OverflowError, OSError)


class RosBag(Recording):
    """A ``.bag`` file of ROS 1, or a folder or ``.db3`` file of ROS 2."""

    def __init__(self, path: Path) -> None:
        """Open the bag and read its index.

        Args:
            path: of the file, or of the folder with ``metadata.yaml``.

        Raises:
            MissingExtraError: rosbags is not installed.
            SourceError: the bag cannot be opened.
        """
        try:
            import apsw
            from rosbags import rosbag1, rosbag2

            from streamseg.video.recordings.cut_bags import CutBag
        except ImportError as error:
            raise MissingExtraError("rosbags", "recordings") from error
        self.path = path
        self._is_ros1 = path.name.endswith(ROS1_SUFFIXES)
        self._damaged = (rosbag1.ReaderError, rosbag2.ReaderError, apsw.Error, *_DAMAGED)
        self._stack = ExitStack()
        self._reader = self._open(
            *((rosbag1.Reader, CutBag) if self._is_ros1 else (rosbag2.Reader,))
        )
        counts: Counter[str] = Counter()
        kinds = {}
        for connection in self._reader.connections:
            counts[connection.topic] += connection.msgcount
            kinds[connection.topic] = kind_of(connection.msgtype)
        self.topics = tuple(Topic(name, kinds[name], counts[name]) for name in sorted(kinds))
        self.duration_seconds = None
        if counts.total():
            self.duration_seconds = self._reader.duration / NS_PER_SECOND
            if not isinstance(self._reader, CutBag):
                self.span_ns = self._reader.start_time, self._reader.end_time

    def _open(self, kind: Any, *others: Any) -> Any:
        """The bag, opened by the first of the kinds of reader that can."""
        try:
            return self._stack.enter_context(kind(self.path))
        except self._damaged as error:
            if others and not isinstance(error, PermissionError):
                return self._open(*others)
            reason = getattr(error, "strerror", None) or error
            raise SourceError(f"cannot read {self.path}: {reason}") from error

    def messages(
        self, topic: str, start_ns: int | None = None, stop_ns: int | None = None
    ) -> Iterator[Message]:
        """See ``Recording``."""
        connections = [found for found in self._reader.connections if found.topic == topic]
        decoders: dict[int, Decoder] = {}
        try:
            for connection, log_ns, data in self._reader.messages(connections, start_ns, stop_ns):
                if connection.id not in decoders:
                    decoders[connection.id] = self._decoder(connection)
                yield Message(log_ns, data, decoders[connection.id])
        except SourceError:
            raise
        except self._damaged as error:
            raise CutOffError(f"the file is cut off or damaged: {error}") from error

    def close(self) -> None:
        """Close the files."""
        self._stack.close()

    def _decoder(self, connection: Any) -> Decoder:
        # members of the library's enum: no definition, .msg text, IDL
        encoding = {"NONE": "", "IDL": "ros2idl"}.get(connection.msgdef.format.name, "ros2msg")
        definition = connection.msgdef.data.encode() if encoding else b""
        schema = Schema(connection.msgtype, encoding, definition)
        return decoder_of("ros1" if self._is_ros1 else "cdr", schema)

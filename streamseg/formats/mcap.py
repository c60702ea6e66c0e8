"""Results as an MCAP recording, for Foxglove: masks and names over the camera's own images."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from streamseg.errors import MissingExtraError, SinkError
from streamseg.files.claims import written_alone
from streamseg.formats.writer import ResultWriter, check_folder_of, saving
from streamseg.frame import NS_PER_SECOND
from streamseg.results import FrameResult

if TYPE_CHECKING:
    from google.protobuf.message import Message

# A chunk is written as soon as it holds this much, so that a kill loses a few frames at most.
_CHUNK_BYTES = 1 << 16


class _Channels(NamedTuple):
    """The channels of one camera."""

    source_index: int
    annotations: int
    labels: int
    objects: int


class McapWriter(ResultWriter):
    """Writes three topics for each camera; docs/recordings.md says what is in them.

    The results of ``/camera/front`` go to ``/camera/front/annotations``, ``/camera/front/labels``
    and ``/camera/front/objects``, with the stamps and log times of its images. Sources that are not
    recordings are called ``/camera``, ``/camera-1`` and so on, and their times are those of the
    media. The file is written in place. After a kill it has no index; readers can open it without
    one.
    """

    def __init__(self, path: str | Path) -> None:
        """Open the file.

        Args:
            path: file to create or overwrite.

        Raises:
            MissingExtraError: a package is not installed.
            SinkError: the file cannot be created.
        """
        try:
            from mcap.writer import Writer

            from streamseg.formats import foxglove
        except ImportError as error:
            raise MissingExtraError(error.name or "mcap", "recordings") from error
        self._foxglove = foxglove
        self._path = Path(path)
        self._channels_of_topic: dict[str, _Channels] = {}
        self._schemas: tuple[int, int, int] | None = None
        self._unflushed_bytes = 0
        check_folder_of(self._path)
        with saving(self._path), ExitStack() as stack:
            stack.enter_context(written_alone(self._path))
            self._file = stack.enter_context(self._path.open("wb"))
            self._writer = Writer(self._file)
            self._writer.start(library="streamseg")
            self._file.flush()
            self._stack: ExitStack | None = stack.pop_all()

    def write(self, result: FrameResult) -> None:
        """Append the three messages of one frame.

        Raises:
            SinkError: they cannot be written, or two sources have the same topic.
        """
        recorded = result.frame.recorded
        if recorded is None:
            stamp_ns = log_ns = round(result.pts_seconds * NS_PER_SECOND)
            number = f"-{result.source_index}" if result.source_index else ""
            topic, frame_id = f"/camera{number}", ""
        else:
            stamp_ns, log_ns, topic, frame_id = recorded
        with saving(self._path):
            channels = self._channels(topic, result.source_index)
            message: Message
            for channel, message in (
                (channels.annotations, self._foxglove.image_annotations(result, stamp_ns)),
                (channels.labels, self._foxglove.label_image(result, stamp_ns, frame_id)),
            ):
                self._add(channel, message.SerializeToString(), stamp_ns, log_ns)
            fields = self._foxglove.objects(result, stamp_ns, frame_id)
            data = json.dumps(fields, separators=(",", ":"), allow_nan=False).encode()
            self._add(channels.objects, data, stamp_ns, log_ns)
            if self._unflushed_bytes >= _CHUNK_BYTES:
                self._writer.flush()
                self._unflushed_bytes = 0

    def close(self) -> None:
        """Write the index; closing again is a no-op.

        Raises:
            SinkError: the last of it cannot be written.
        """
        stack, self._stack = self._stack, None
        if stack is not None:
            with saving(self._path), stack:
                self._writer.finish()

    def _add(self, channel: int, data: bytes, stamp_ns: int, log_ns: int) -> None:
        self._writer.add_message(channel, log_ns, data, publish_time=stamp_ns)
        self._unflushed_bytes += len(data)

    def _channels(self, topic: str, source_index: int) -> _Channels:
        channels = self._channels_of_topic.get(topic)
        if channels is None:
            annotations, labels, objects = self._register_schemas()
            channels = self._channels_of_topic[topic] = _Channels(
                source_index,
                self._writer.register_channel(f"{topic}/annotations", "protobuf", annotations),
                self._writer.register_channel(f"{topic}/labels", "protobuf", labels),
                self._writer.register_channel(f"{topic}/objects", "json", objects),
            )
        if channels.source_index != source_index:
            raise SinkError(
                f"cannot write {self._path}: two sources have the topic {topic}; open a writer for "
                "each recording"
            )
        return channels

    def _register_schemas(self) -> tuple[int, int, int]:
        if self._schemas is None:
            from foxglove_schemas_protobuf.ImageAnnotations_pb2 import ImageAnnotations
            from foxglove_schemas_protobuf.RawImage_pb2 import RawImage
            from mcap_protobuf.schema import register_schema

            schema = json.dumps(self._foxglove.OBJECTS_SCHEMA).encode()
            self._schemas = (
                register_schema(self._writer, ImageAnnotations),
                register_schema(self._writer, RawImage),
                self._writer.register_schema("streamseg.Objects", "jsonschema", schema),
            )
        return self._schemas

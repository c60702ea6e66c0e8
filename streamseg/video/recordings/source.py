"""One camera topic of a recording as a source of frames."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path

import av.error
from av import VideoFrame

from streamseg.errors import SourceError
from streamseg.frame import Frame, Recorded
from streamseg.video.base import Source
from streamseg.video.chunks import Chunk
from streamseg.video.clock import PresentationClock
from streamseg.video.conversion import ImageConverter, Orientation
from streamseg.video.decode import MOST_IN_DECODER
from streamseg.video.recordings.camera_messages import camera_message
from streamseg.video.recordings.paths import bag_files, has_metadata
from streamseg.video.recordings.pixels import CameraDecoder, UnknownEncodingError
from streamseg.video.recordings.recording import CutOffError, Message, Recording
from streamseg.video.recordings.stamps import Stamps

logger = logging.getLogger(__name__)

# Seconds since 1970 in ``float`` are this exact; finer steps would not rise.
_TIME_BASE = Fraction(1, 1_000_000)
_NS_PER_TICK = 1000


def open_recording(path: Path) -> Recording:
    """Open an MCAP file or a ROS bag.

    Raises:
        SourceError: it is neither, or nothing in it can be read.
        MissingExtraError: a package is not installed.
    """
    from streamseg.video.recordings.mcap_files import McapRecording
    from streamseg.video.recordings.ros_bags import RosBag

    files = bag_files(path) if path.is_dir() else [path]
    if files and all(file.suffix == ".mcap" for file in files):
        return McapRecording(path, files)
    if path.is_dir() and not has_metadata(path):
        if len(files) == 1:
            return RosBag(files[0])
        raise SourceError(
            f"{path} has no metadata.yaml, most likely because the recorder was killed: "
            "open its .db3 files one by one, or run ros2 bag reindex"
        )
    return RosBag(path)


class RecordingSource(Source):
    """The images of one topic, with the time stamps of their headers.

    A message that cannot be decoded is skipped, counted and logged. A file that is cut off ends the
    frames, with a warning. ``pts_seconds`` is the stamp in seconds; it also rises where stamps jump
    back, see ``PresentationClock``. ``Frame.recorded`` has the recorded stamp.
    """

    def __init__(self, path: Path, topic: str | None = None, chunk: Chunk | None = None) -> None:
        """Open the recording and decode the first image.

        Args:
            path: see ``open_recording``.
            topic: name of a camera topic; None takes the only one.
            chunk: the part to read; None is all of it.

        Raises:
            SourceError: no such recording or topic, several camera topics and none is named, or
                nothing in it can be decoded.
            MissingExtraError: a package is not installed.
        """
        recording = open_recording(path)
        self._chunk = chunk
        try:
            self._topic = recording.camera(topic)
        except SourceError:
            recording.close()
            raise
        super().__init__(
            self._read(recording),
            f"{path}#{self._topic.name}",
            time_base=_TIME_BASE,
            average_rate=None,
            frame_count=self._topic.message_count if chunk is None else chunk.frame_count,
            duration_seconds=recording.duration_seconds,
        )

    def _read(self, recording: Recording) -> Generator[Frame, None, None]:
        converter, orientation = ImageConverter(), Orientation()
        clock, stamps = PresentationClock(_TIME_BASE), Stamps()
        with recording:
            for index, (decoded, recorded) in enumerate(self._decoded(recording)):
                stamps.note(recorded.stamp_ns)
                yield Frame(
                    index,
                    clock.seconds(recorded.stamp_ns // _NS_PER_TICK, stamps.mean_seconds),
                    decoded.height,
                    decoded.width,
                    partial(converter.render, decoded, orientation),
                    recorded=recorded,
                )
        found = stamps.report() if self._chunk is None else []
        if recording.damaged_parts:
            found.append(f"damaged parts: {recording.damaged_parts}")
        if self.skipped:
            found.append(f"unreadable messages: {self.skipped}")
        if found:
            logger.warning("%s: %s", self.description, ", ".join(found))

    def _decoded(self, recording: Recording) -> Iterator[tuple[VideoFrame, Recorded]]:
        """Decoded images, each with the facts of the message that it was in."""
        decoder = CameraDecoder()
        in_decoder: dict[int, Recorded] = {}
        is_decoded = False
        for number, message in enumerate(self._messages(recording)):
            started = time.monotonic()
            try:
                camera = camera_message(self._topic.kind, message.decode(message.data))
                in_decoder.pop(number - MOST_IN_DECODER, None)  # of packets that gave no frame
                in_decoder[number] = Recorded(
                    camera.stamp_ns or message.log_ns,
                    message.log_ns,
                    self._topic.name,
                    camera.frame_id,
                )
                frames = decoder.decode(camera, number)
            except UnknownEncodingError as error:
                if not is_decoded:
                    raise SourceError(f"{self.description}: {error}") from error
                self._skip(f"message {number}", str(error))
                continue
            except (av.error.FFmpegError, AttributeError, TypeError, ValueError) as error:
                self._skip(f"message {number}", getattr(error, "strerror", None) or str(error))
                continue
            for decoded in frames:
                is_decoded = True
                self.decode_ms = 1e3 * (time.monotonic() - started)
                yield from self._with_message(decoded, in_decoder)
        try:
            for decoded in decoder.flush():
                yield from self._with_message(decoded, in_decoder)
        except av.error.FFmpegError as error:
            self._skip("the last messages", error.strerror or str(error))

    def _with_message(
        self, decoded: VideoFrame, in_decoder: dict[int, Recorded]
    ) -> Iterator[tuple[VideoFrame, Recorded]]:
        """The frame and the facts of its message; nothing if no message of its number is left."""
        recorded = None if decoded.pts is None else in_decoder.pop(decoded.pts, None)
        if recorded is None:
            self._skip("a frame", "the decoder made it of no message")
        else:
            yield decoded, recorded

    def _messages(self, recording: Recording) -> Iterator[Message]:
        """The messages of the topic; a file that is cut off ends them with a warning."""
        number = 0
        start_ns, stop_ns = (self._chunk.start, self._chunk.stop) if self._chunk else (None, None)
        try:
            for message in recording.messages(self._topic.name, start_ns, stop_ns):
                yield message
                number += 1
        except CutOffError as error:
            logger.warning("%s: ends after %d messages: %s", self.description, number, error)
            self._latest_problem = f" ({error})"

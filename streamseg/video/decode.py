"""Decode the video stream of an opened container into frames."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Iterator
from contextlib import suppress
from fractions import Fraction
from functools import partial

import av.error
from av import Packet, VideoFrame
from av.container import InputContainer
from av.video.stream import VideoStream

from streamseg.errors import SourceError
from streamseg.frame import Frame
from streamseg.video.base import Source
from streamseg.video.chunks import Chunk
from streamseg.video.clock import PresentationClock
from streamseg.video.conversion import ImageConverter, Orientation
from streamseg.video.durations import (
    as_fraction,
    file_duration_seconds,
    images_duration_seconds,
    stated_frame_count,
)
from streamseg.video.ffmpeg_errors import reading
from streamseg.video.hwaccel import kind_in_use
from streamseg.video.streams import choose_video_stream, pixel_aspect_of

logger = logging.getLogger(__name__)

MOST_IN_DECODER = 64
"""More frames than reordering and frame threads delay."""

# For media that state neither timestamps nor a rate.
_FALLBACK_RATE = Fraction(25)
# AVCOL_TRC_SMPTE2084 and AVCOL_TRC_ARIB_STD_B67
_HIGH_DYNAMIC_RANGE = {16: "HDR (PQ)", 18: "HDR (HLG)"}
# Most damaged packets in a row of a live stream; with more, it is reconnected.
_MOST_DAMAGED_IN_A_ROW = 100


class VideoSource(Source):
    """One video stream of a container.

    Damaged packets are skipped, counted and logged. Frames are kept as decoded (usually 1.5 bytes
    per pixel) and converted by ``Frame.render``.
    """

    def __init__(
        self,
        container: InputContainer,
        description: str,
        *,
        is_live: bool,
        timeout_seconds: float | None = None,
        stream_number: int | None = None,
        threads: int | None = None,
        chunk: Chunk | None = None,
    ) -> None:
        """Take over an opened container and decode its first frame.

        Args:
            container: closed at the end, by ``close``, and on an error.
            description: what it is, for messages.
            is_live: whether it is a camera: decode for low delay, count time from the first
                frame.
            timeout_seconds: a wait of this length for one packet is an error; the container must
                have the same timeout.
            stream_number: of the video stream, from 0; None follows FFmpeg's rule.
            threads: that decode and convert; None takes as many as there are cores.
            chunk: the part to read; None is all of it.

        Raises:
            SourceError: there is no such stream, or no frame of it can be decoded.
        """
        try:
            stream = choose_video_stream(container, description, stream_number)
        except SourceError:
            container.close()
            raise
        # Threads that decode several frames at once are faster, but delay as many frames.
        stream.thread_type = "SLICE" if is_live else "AUTO"
        if threads is not None:
            stream.codec_context.thread_count = threads
        self._threads, self._chunk = threads, chunk
        self._own_seconds = images_duration_seconds(container, stream)
        duration_seconds = self._own_seconds or file_duration_seconds(container)
        self._timeout_seconds = timeout_seconds
        super().__init__(
            self._read(container, stream),
            description,
            time_base=as_fraction(stream.time_base) or 1 / _FALLBACK_RATE,
            average_rate=as_fraction(stream.average_rate),
            frame_count=chunk.frame_count
            if chunk
            else stated_frame_count(stream, duration_seconds),
            duration_seconds=duration_seconds,
            is_live=is_live,
        )
        self.hwaccel = kind_in_use(stream)

    def _read(self, container: InputContainer, stream: VideoStream) -> Generator[Frame, None, None]:
        converter = ImageConverter(self._threads)
        clock = PresentationClock(self.time_base, from_zero=self.is_live)
        nominal_seconds = float(1 / (self.average_rate or _FALLBACK_RATE))
        end_seconds = 0.0
        rotation: int | None = None
        stored_aspect = pixel_aspect_of(stream)
        with container:
            for index, (decoded, captured_at) in enumerate(self._wanted(container, stream)):
                duration_seconds = float(decoded.duration * self.time_base) or nominal_seconds
                pts_seconds = clock.seconds(decoded.pts, duration_seconds)
                end_seconds = pts_seconds + duration_seconds
                if index == 0 and decoded.color_trc in _HIGH_DYNAMIC_RANGE:
                    logger.warning(
                        "%s: %s video is segmented and drawn without tone mapping: colours are "
                        "pale, and fewer objects are found; convert it to BT.709 first",
                        self.description,
                        _HIGH_DYNAMIC_RANGE[decoded.color_trc],
                    )
                if decoded.rotation != rotation:
                    rotation, orientation = decoded.rotation, Orientation.of(decoded)
                width, height = orientation.size(decoded.width, decoded.height)
                render = partial(converter.render, decoded, orientation)
                yield Frame(
                    index,
                    pts_seconds,
                    height,
                    width,
                    render,
                    1 / stored_aspect if orientation.transposed else stored_aspect,
                    captured_at,
                )
            self._warn_of_early_end(end_seconds, nominal_seconds)

    def _wanted(
        self, container: InputContainer, stream: VideoStream
    ) -> Iterator[tuple[VideoFrame, float]]:
        """Yield the decoded frames of the chunk, or all."""
        chunk = self._chunk
        if chunk is None:
            yield from self._decoded(container, stream)
            return
        if chunk.decode_from is not None:
            with suppress(av.error.FFmpegError, OSError):  # else all before it is decoded, too
                container.seek(chunk.decode_from, stream=stream)
        for decoded, captured_at in self._decoded(container, stream):
            if decoded.pts is None or (chunk.start is not None and decoded.pts < chunk.start):
                continue
            if chunk.stop is not None and decoded.pts >= chunk.stop:
                return
            yield decoded, captured_at

    def _decoded(
        self, container: InputContainer, stream: VideoStream
    ) -> Iterator[tuple[VideoFrame, float]]:
        """Yield decoded frames with their arrival times; SourceError if no more can be read."""
        # Uncompressed images of a camera are in the driver's memory, which closing unmaps.
        is_borrowed = self.is_live and stream.codec_context.name == "rawvideo"
        arrivals = _Arrivals()
        spent_seconds = 0.0
        for packet in self._packets(container, stream):
            started = time.monotonic()
            arrivals.note(packet.pts, started)
            try:
                frames = packet.decode()
            except av.error.FFmpegError as error:
                self._skip(f"a packet {_place(packet.pts, self.time_base)}", str(error.strerror))
                continue
            finally:
                spent_seconds += time.monotonic() - started
            for decoded in frames:
                if is_borrowed:
                    decoded.make_writable()  # copies, as the packet holds the same memory
                self.decode_ms, spent_seconds = 1e3 * spent_seconds, 0.0
                yield decoded, arrivals.of(decoded.pts, started)

    def _packets(
        self, container: InputContainer, stream: VideoStream
    ) -> Iterator[Packet[VideoStream]]:
        """Yield packets; those of a live stream that are damaged are skipped."""
        packets = container.demux(stream)
        in_a_row = 0
        while True:
            asked = time.monotonic()
            try:
                with reading(self.description):
                    packet = next(packets, None)
            except SourceError as error:
                is_invalid = isinstance(error.__cause__, av.error.InvalidDataError)
                if not (self.is_live and is_invalid) or in_a_row == _MOST_DAMAGED_IN_A_ROW:
                    raise
                in_a_row += 1
                self._skip("a packet", "invalid data")
                packets = container.demux(stream)
                continue
            if packet is None:
                return
            waited_seconds = time.monotonic() - asked
            if self._timeout_seconds and waited_seconds >= self._timeout_seconds:
                # FFmpeg's parsers delay a packet, and return it at the timeout
                raise SourceError(f"{self.description} sent nothing for {waited_seconds:.1f} s")
            in_a_row = 0
            if self.is_live and packet.is_corrupt:
                self._skip(f"a packet {_place(packet.pts, self.time_base)}", "it is damaged")
                continue
            yield packet

    def _warn_of_early_end(self, end_seconds: float, nominal_seconds: float) -> None:
        if self.skipped > 1:
            logger.warning("%s: skipped %d damaged packets", self.description, self.skipped)
        if self.is_live or self._chunk or not self._own_seconds or not end_seconds:
            return
        if end_seconds < self._own_seconds - 2 * nominal_seconds:
            logger.warning(
                "%s: the video ends after %.2f s, but the file states %.2f s: it may be cut off",
                self.description,
                end_seconds,
                self._own_seconds,
            )


class _Arrivals:
    """Arrival times of packets by their timestamps, since the decoder reorders frames."""

    def __init__(self) -> None:
        self._seconds: dict[int, float] = {}

    def note(self, pts: int | None, seconds: float) -> None:
        """Store the arrival time of a packet."""
        if pts is not None:
            self._seconds[pts] = seconds
            if len(self._seconds) > MOST_IN_DECODER:
                del self._seconds[next(iter(self._seconds))]

    def of(self, pts: int | None, otherwise: float) -> float:
        """The arrival time of a frame's packet, or ``otherwise``."""
        return otherwise if pts is None else self._seconds.pop(pts, otherwise)


def _place(pts: int | None, time_base: Fraction) -> str:
    """Approximate time of a damaged packet: threads report it some packets later."""
    return "near the end" if pts is None else f"near {float(pts * time_base):.2f} s"

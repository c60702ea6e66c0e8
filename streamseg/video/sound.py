"""Copy the sound of a video file to another file, packet by packet."""

from __future__ import annotations

import logging
from collections.abc import Generator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
from av import Packet
from av.audio.stream import AudioStream
from av.bitstream import BitStreamFilterContext
from av.container import InputContainer, OutputContainer
from av.video.stream import VideoStream

from streamseg.errors import SourceError
from streamseg.video.ffmpeg_errors import reading
from streamseg.video.joints import Joints

logger = logging.getLogger(__name__)


def open_sound(path: Path) -> Sound | None:
    """Open the sound of a file; None if it has none."""
    try:
        with reading(str(path), path):
            container = av.open(str(path.absolute()), metadata_errors="replace")
    except SourceError as error:
        logger.warning("the sound is left out: %s", error)
        return None
    images = container.streams.best("video")
    stream = container.streams.best("audio", images)
    if isinstance(stream, AudioStream) and isinstance(images, VideoStream):
        return Sound(container, stream, images, str(path))
    container.close()
    return None


class Sound:
    """Sound that is copied without decoding, with times on the clock of the images."""

    def __init__(
        self, container: InputContainer, stream: AudioStream, images: VideoStream, name: str
    ) -> None:
        """Use an opened file.

        Args:
            container: of the file; ``close`` closes it.
            stream: of the container.
            images: of the container, whose clock it follows.
            name: for messages.
        """
        self.codec = stream.codec_context.name
        self._container = container
        self._stream = stream
        self._images = images
        self._name = name
        # AAC has its parameters in each packet of MPEG-TS, but once in other containers.
        is_adts = self.codec == "aac" and not stream.codec_context.extradata
        self._filter = BitStreamFilterContext("aac_adtstoasc", stream) if is_adts else None
        self._time_base = stream.time_base or Fraction(1, av.time_base)
        self._latest_pts: int | None = None
        self._left_out = 0
        self._origin_seconds = 0.0
        self._packets = self._read()
        self._next = next(self._packets, None)

    def add_to(self, output: OutputContainer) -> None:
        """Add the sound to an output whose header is not written yet.

        Raises:
            ValueError: the format of the output cannot hold it.
        """
        self._output = output
        self._copy = output.add_stream_from_template(self._stream)

    def start_at(self, origin_seconds: float) -> None:
        """Set the time on the images' clock that becomes 0, before anything is written."""
        self._origin_seconds = origin_seconds

    def write_until(self, seconds: float) -> None:
        """Write all packets that start before this time in the output, from 0 on.

        Packets before 0 are skipped: they only prepare a decoder, and would shift the images,
        because times in a file must not be negative.
        """
        while self._next is not None and self._next[0] - self._origin_seconds < seconds:
            start_seconds, packet = self._next[0] - self._origin_seconds, self._next[1]
            if start_seconds >= 0:
                self._write(start_seconds, packet)
            self._next = next(self._packets, None)

    def close(self) -> None:
        """Close the file, and log what was left out; closing again is a no-op."""
        self._packets.close()
        self._container.close()
        left_out, self._left_out = self._left_out, 0
        if left_out:
            logger.warning("%s: %d packets of its sound are left out", self._name, left_out)

    def _write(self, start_seconds: float, packet: Packet[Any]) -> None:
        pts = round(start_seconds / self._time_base)
        if self._latest_pts is not None and pts <= self._latest_pts:
            self._left_out += 1  # it overlaps the end of the recording before
            return
        packet.pts = packet.dts = pts
        try:
            # the first packet from the filter describes all others: it must be written
            for copy in self._filter.filter(packet) if self._filter else [packet]:
                copy.stream = self._copy
                self._output.mux(copy)
        except av.error.OSError:
            raise  # writing the images fails, too
        except av.error.FFmpegError as error:
            logger.debug("%s: sound at %.2f s: %s", self._name, start_seconds, error.strerror)
            self._left_out += 1
        else:
            self._latest_pts = pts

    def _read(self) -> Generator[tuple[float, Packet[Any]], None, None]:
        """Yield all packets, with their start times in seconds."""
        rate = self._images.average_rate
        joints = Joints(float(1 / rate) if rate else 0.04)
        try:
            with reading(self._name):
                for packet in self._container.demux(self._images, self._stream):
                    if packet.stream is not self._stream:
                        yield from joints.note(packet)
                        continue
                    seconds = joints.place(packet)
                    if seconds is not None:
                        yield seconds, packet
        except SourceError as error:
            # go on with the images, without the rest of the sound
            logger.warning("the sound ends early: %s", error)
        joints.end()
        self._left_out += joints.lost

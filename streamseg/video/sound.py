"""The sound of a video file, packet by packet, to go into another file as it is."""

from __future__ import annotations

import logging
from collections.abc import Generator
from fractions import Fraction
from pathlib import Path

import av
from av import Packet
from av.audio.stream import AudioStream
from av.bitstream import BitStreamFilterContext
from av.container import InputContainer, OutputContainer

from streamseg.errors import SourceError
from streamseg.video.ffmpeg_errors import reading

logger = logging.getLogger(__name__)


def open_sound(path: Path) -> Sound | None:
    """Open the sound of a file a second time, beside its pictures; None if it has none."""
    try:
        with reading(str(path), path):
            container = av.open(str(path.absolute()))
    except SourceError as error:
        logger.warning("the sound is left out: %s", error)
        return None
    stream = container.streams.best("audio")
    if isinstance(stream, AudioStream):
        return Sound(container, stream, str(path))
    container.close()
    return None


class Sound:
    """Sound that is copied without decoding it; its times are on the clock of the pictures."""

    def __init__(self, container: InputContainer, stream: AudioStream, name: str) -> None:
        """Take over an opened file.

        Args:
            container: of the file; ``close`` closes it.
            stream: of the container.
            name: for messages.
        """
        self.codec = stream.codec_context.name
        self._container = container
        self._stream = stream
        self._name = name
        # AAC of MPEG-TS describes itself in each packet, in other containers once.
        is_adts = self.codec == "aac" and not stream.codec_context.extradata
        self._filter = BitStreamFilterContext("aac_adtstoasc", stream) if is_adts else None
        self._packets = self._read()
        self._next = next(self._packets, None)

    def add_to(self, output: OutputContainer) -> None:
        """Add a stream to an output whose header is not written yet.

        Raises:
            ValueError: the output is of a format that cannot hold it.
        """
        self._output = output
        self._copy = output.add_stream_from_template(self._stream)

    def write_until(self, seconds: float) -> None:
        """Write all packets that begin before this time, but none from before 0.

        Those before 0 only warm up a decoder, and would move the pictures, as no time in a file
        may be negative.
        """
        while self._next is not None and self._next[0] < seconds:
            start_seconds, packet = self._next
            if start_seconds >= 0:
                packet.stream = self._copy
                self._output.mux(packet)
            self._next = next(self._packets, None)

    def close(self) -> None:
        """Release the file; doing so twice is harmless."""
        self._packets.close()
        self._container.close()

    def _read(self) -> Generator[tuple[float, Packet[AudioStream]], None, None]:
        """All packets and when they begin, in seconds."""
        time_base = self._stream.time_base or Fraction(1, av.time_base)
        try:
            with reading(self._name):
                for packet in self._container.demux(self._stream):
                    for copy in self._filter.filter(packet) if self._filter else [packet]:
                        if copy.pts is not None:
                            yield float(copy.pts * time_base), copy
        except SourceError as error:
            # pictures are worth more than the rest of the sound
            logger.warning("the sound ends early: %s", error)

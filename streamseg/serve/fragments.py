"""H.264 in fragments of MP4, one for each frame, as MediaSource takes them."""

from __future__ import annotations

from fractions import Fraction
from io import BytesIO
from typing import Final, NamedTuple

import av
from av.container import OutputContainer
from av.packet import Packet
from av.video.frame import PictureType
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from streamseg.frame import Image
from streamseg.video import bt709

ENCODER: Final = "libx264"
TICKS: Final = 90_000
"""Ticks per second, the time unit in fragments."""
PIXEL_FORMAT: Final = "yuv420p"

# zerolatency: no B-frames, and no frame waits in the encoder. One thread: the others segment.
# Key frames come when they are asked for, so the encoder's own limit is far away.
_OPTIONS: Final = {
    "preset": "ultrafast",
    "tune": "zerolatency",
    "crf": "26",
    "maxrate": "4M",
    "bufsize": "2M",
    "forced-idr": "1",
    "g": "1000",
    "threads": "1",
}
# Each fragment is written as a file of its own, whose head, the same each time, is cut off:
# within one file FFmpeg holds a frame back until the next one.
_MP4_OPTIONS: Final = {
    "movflags": "empty_moov+default_base_moof+frag_discont+skip_trailer",
    "avoid_negative_ts": "disabled",  # or each file would begin at 0
}


class Fragment(NamedTuple):
    """One frame."""

    data: bytes
    """``moof`` and ``mdat``."""
    is_key: bool
    """Whether it needs no earlier frame."""


class FragmentEncoder:
    """Encodes images of one size; each image gives its fragment at once."""

    def __init__(self, width: int, height: int) -> None:
        """Open the encoder.

        Args:
            width: of all images in pixels, even.
            height: of all images in pixels, even.

        Raises:
            av.FFmpegError: the size cannot be encoded.
        """
        self.size = width, height
        self._reformatter = VideoReformatter()
        # holds the encoder; its file is never used
        self._container = _open(BytesIO())
        self._stream = self._container.add_stream(ENCODER, options=dict(_OPTIONS))
        self._stream.width, self._stream.height = width, height
        self._stream.pix_fmt = PIXEL_FORMAT
        self._stream.codec_context.time_base = self._stream.time_base = Fraction(1, TICKS)
        bt709.mark(self._stream.codec_context)
        self._container.start_encoding()
        self.head = self._file_of(None)
        """``ftyp`` and ``moov``: what comes before the first fragment."""
        at = self.head.index(b"avcC") + 5
        self.mime = f'video/mp4; codecs="avc1.{self.head[at : at + 3].hex()}"'
        """With profile and level, as browsers ask for them."""

    def encode(self, image: Image, ticks: int, duration: int, *, is_key: bool) -> Fragment:
        """Encode the next image.

        Args:
            image: RGB uint8 [H, W, 3].
            ticks: its time, later than that of the image before.
            duration: for how long it is shown if none follows, in ticks.
            is_key: make a key frame.

        Raises:
            av.FFmpegError: the encoder has failed.
        """
        frame = bt709.to_frame(image, PIXEL_FORMAT, self._reformatter)
        frame.time_base = Fraction(1, TICKS)
        frame.pts = ticks
        frame.pict_type = PictureType.I if is_key else PictureType.NONE
        (packet,) = self._stream.encode(frame)
        packet.duration = duration
        is_key = packet.is_keyframe  # the packet is the muxer's from then on
        return Fragment(self._file_of(packet)[len(self.head) :], is_key)

    def _file_of(self, packet: Packet[VideoStream] | None) -> bytes:
        file = BytesIO()
        with _open(file) as container:
            stream = container.add_stream_from_template(self._stream)
            container.start_encoding()
            if packet is not None:
                packet.stream = stream
                container.mux(packet)
        return file.getvalue()


def _open(file: BytesIO) -> OutputContainer:
    return av.open(file, "w", format="mp4", container_options=dict(_MP4_OPTIONS))


def can_encode() -> bool:
    """Whether this build of PyAV has the encoder."""
    return ENCODER in av.codecs_available

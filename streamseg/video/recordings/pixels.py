"""Decode a camera's messages to frames: pixel layouts of ROS, and codecs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from av import CodecContext, Packet, VideoFrame
from av.video.codeccontext import VideoCodecContext

from streamseg.errors import SourceError
from streamseg.video.levels import Levels
from streamseg.video.recordings.camera_messages import CameraMessage

_BT601 = 5  # AVCOL_SPC_BT470BG, as ROS's own converters assume

# Name of the pixel format in FFmpeg, and bytes of a pixel.
_PIXELS = {
    "rgb8": ("rgb24", 3),
    "bgr8": ("bgr24", 3),
    "8UC3": ("bgr24", 3),
    "rgba8": ("rgba", 4),
    "bgra8": ("bgra", 4),
    "8UC4": ("bgra", 4),
    "mono8": ("gray", 1),
    "8UC1": ("gray", 1),
    "bayer_rggb8": ("bayer_rggb8", 1),
    "bayer_bggr8": ("bayer_bggr8", 1),
    "bayer_gbrg8": ("bayer_gbrg8", 1),
    "bayer_grbg8": ("bayer_grbg8", 1),
    "yuv422": ("uyvy422", 2),
    "uyvy": ("uyvy422", 2),
    "yuv422_yuy2": ("yuyv422", 2),
    "yuyv": ("yuyv422", 2),
}
# 16 bits are scaled to 8, by the depth that the camera really uses.
_DEEP_PIXELS = {
    "mono16": "mono8",
    "16UC1": "mono8",
    "bayer_rggb16": "bayer_rggb8",
    "bayer_bggr16": "bayer_bggr8",
    "bayer_gbrg16": "bayer_gbrg8",
    "bayer_grbg16": "bayer_grbg8",
}
DEEP_ENCODINGS = frozenset(_DEEP_PIXELS)
ENCODINGS = (*_PIXELS, *_DEEP_PIXELS)
"""The encodings of uncompressed images that are read."""

_IMAGE_CODECS = ((b"\xff\xd8", "mjpeg"), (b"\x89PNG", "png"), (b"RIFF", "webp"))
_VIDEO_CODECS = {"h264": "h264", "h265": "hevc", "hevc": "hevc", "vp9": "vp9", "av1": "av1"}


class UnknownEncodingError(SourceError):
    """The images of a topic are stored in a way that is not read."""


class CameraDecoder:
    """Decodes the messages of one topic; each frame has the number of its message as ``pts``."""

    def __init__(self) -> None:
        """Start without codecs; the messages say which are needed."""
        self._levels = Levels()
        self._codecs: dict[str, VideoCodecContext] = {}

    def decode(self, message: CameraMessage, number: int) -> list[VideoFrame]:
        """Decode one message; a video codec may return frames of earlier messages, or none.

        Raises:
            UnknownEncodingError: images stored like this are not read.
            ValueError: the size and the number of bytes do not fit.
            av.error.FFmpegError: the data are damaged.
        """
        if message.layout is not None:
            frame = self._uncompressed(message)
            frame.pts = number
            return [frame]
        name = _codec_of(message)
        codec = self._codecs.get(name)
        if codec is None:
            codec = self._codecs[name] = _open_codec(name)
        packet = Packet(message.data.tobytes())
        packet.pts = packet.dts = number
        # to FFmpeg, a PNG that is not a key frame is the difference to the one before
        packet.is_keyframe = name not in _VIDEO_CODECS.values()
        return codec.decode(packet)

    def flush(self) -> Iterator[VideoFrame]:
        """The frames that the codecs still hold, at the end of the topic.

        Raises:
            av.error.FFmpegError: the data are damaged.
        """
        for codec in self._codecs.values():
            yield from codec.decode(None)

    def _uncompressed(self, message: CameraMessage) -> VideoFrame:
        assert message.layout is not None
        width, height, step, is_bigendian = message.layout
        encoding, pixels = message.encoding, message.data
        depth = 1
        if encoding in _DEEP_PIXELS:
            encoding, depth = _DEEP_PIXELS[encoding], 2
        if encoding not in _PIXELS:
            raise UnknownEncodingError(
                f"images encoded as {message.encoding!r} are not read; known are "
                f"{', '.join(ENCODINGS)}"
            )
        pixel_format, pixel_bytes = _PIXELS[encoding]
        row_bytes = width * pixel_bytes * depth
        if min(width, height) < 1 or step < row_bytes or pixels.size < height * step:
            raise ValueError(
                f"{pixels.size} bytes are too few for {width}x{height} pixels of "
                f"{message.encoding} in rows of {step} bytes"
            )
        rows = pixels[: height * step].reshape(height, step)[:, :row_bytes]
        if depth == 2:
            values = np.ascontiguousarray(rows).view(">u2" if is_bigendian else "<u2")
            rows = self._levels.to_bytes(values)
        frame = VideoFrame(width, height, pixel_format)
        if not frame.format.is_rgb:
            frame.colorspace = _BT601
        plane = frame.planes[0]
        stored = np.frombuffer(plane, np.uint8).reshape(height, plane.line_size)  # type: ignore[call-overload]
        stored[:, : rows.shape[1]] = rows
        return frame


def _codec_of(message: CameraMessage) -> str:
    """The decoder of a compressed message: by its first bytes, else by its stated format."""
    start = message.data[:4].tobytes()
    for magic, name in _IMAGE_CODECS:
        if start.startswith(magic):
            return name
    words = message.encoding.lower().replace(";", " ").replace("/", " ").split()
    for word in words:
        if word in _VIDEO_CODECS:
            return _VIDEO_CODECS[word]
    raise UnknownEncodingError(
        f"images compressed as {message.encoding!r} are not read; known are jpeg, png, webp, "
        f"{', '.join(_VIDEO_CODECS)}"
    )


def _open_codec(name: str) -> VideoCodecContext:
    codec = CodecContext.create(name, "r")
    assert isinstance(codec, VideoCodecContext)
    # Threads that decode several images at once would delay them.
    codec.thread_type = "AUTO" if name in _VIDEO_CODECS.values() else "SLICE"
    return codec

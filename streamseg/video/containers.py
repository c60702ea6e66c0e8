"""Open what FFmpeg reads: video files, network streams and cameras."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import av
import av.error
from av.codec.hwaccel import HWAccel
from av.container import InputContainer

from streamseg.errors import SourceError
from streamseg.video.base import CPU
from streamseg.video.decode import VideoSource
from streamseg.video.ffmpeg_errors import reading
from streamseg.video.hwaccel import kinds_to_try, open_decoding_on

_LIVE_SCHEMES = {"rtsp", "rtsps", "rtmp", "rtmps", "rtp", "udp", "srt"}
# RTSP over UDP loses packets, which smears the picture; cameras that know only UDP still work.
_RTSP_OPTIONS = {"rtsp_flags": "prefer_tcp"}


def open_file(path: Path, *, hwaccel: str = CPU) -> VideoSource:
    """Open a video file; GIF is one, too.

    Args:
        path: of the file.
        hwaccel: what may decode, see ``kinds_to_try``; so in all functions here.

    Raises:
        SourceError: it is empty, not a video, cut off before its index, or has no video stream;
            or the device is missing.
    """
    description = str(path)
    if path.is_file() and path.stat().st_size == 0:
        raise SourceError(f"{description} is empty (0 bytes): was the recording or copy cut off?")
    kinds = kinds_to_try(hwaccel)
    # An absolute path cannot be taken for a protocol, as "front:left.mp4" would be.
    with reading(description, path):
        container = open_decoding_on(
            kinds, lambda device: av.open(str(path.absolute()), hwaccel=device)
        )
    if container.format.name == "tty":
        container.close()
        raise SourceError(f"{description} is a text file, not a video")
    return VideoSource(container, description, is_live=False)


def open_url(url: str, *, timeout_seconds: float, hwaccel: str = CPU) -> VideoSource:
    """Open a network stream.

    It is live when its protocol is one for cameras, or when it states no duration.

    Args:
        url: with scheme, as in ``rtsp://user:password@host/path``.
        timeout_seconds: longest wait for the connection, for the stream's description, and for
            each packet.
        hwaccel: what may decode.

    Raises:
        SourceError: no connection, no answer in time, or no video in what comes; or the device
            is missing.
    """
    scheme = url.partition("://")[0].lower()
    description = re.sub(r"(?<=//)[^/@]*@", "***@", url)
    kinds = kinds_to_try(hwaccel)
    with reading(description):
        container = open_decoding_on(
            kinds,
            lambda device: av.open(
                url,
                options=_RTSP_OPTIONS if scheme.startswith("rtsp") else {},
                timeout=(timeout_seconds, timeout_seconds),
                hwaccel=device,
            ),
        )
    is_live = scheme in _LIVE_SCHEMES or not container.duration
    return VideoSource(container, description, is_live=is_live)


def open_camera(device: str, *, hwaccel: str = CPU) -> VideoSource:
    """Open a camera of this machine through Video4Linux.

    Args:
        device: as ``/dev/video0``.
        hwaccel: what may decode.

    Raises:
        SourceError: there is no such camera, it is in use, or this is not Linux; or the device
            to decode on is missing.
    """
    description = f"camera {device}"
    if sys.platform != "linux":
        raise SourceError(f"{description}: cameras are read on Linux only; give a URL or a file")
    if not Path(device).exists():
        found = ", ".join(sorted(str(path) for path in Path("/dev").glob("video*"))) or "none"
        raise SourceError(f"no such camera: {device} (cameras found: {found})")
    kinds = kinds_to_try(hwaccel)

    def open_container(accelerator: HWAccel | None) -> InputContainer:
        mjpeg = {"input_format": "mjpeg"}
        try:
            # Over USB, uncompressed HD pictures come at 2 to 10 fps; most cameras offer MJPEG.
            return av.open(device, format="v4l2", options=mjpeg, hwaccel=accelerator)
        except av.error.FFmpegError:
            return av.open(device, format="v4l2", hwaccel=accelerator)

    with reading(description):
        container = open_decoding_on(kinds, open_container)
    return VideoSource(container, description, is_live=True)

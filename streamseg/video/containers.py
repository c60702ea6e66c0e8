"""Open what FFmpeg reads: video files, network streams and cameras."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import av
import av.error

from streamseg.errors import SourceError
from streamseg.video.decode import VideoSource
from streamseg.video.ffmpeg_errors import reading

_LIVE_SCHEMES = {"rtsp", "rtsps", "rtmp", "rtmps", "rtp", "udp", "srt"}
# RTSP over UDP loses packets, which smears the picture; cameras that know only UDP still work.
_RTSP_OPTIONS = {"rtsp_flags": "prefer_tcp"}


def open_file(path: Path) -> VideoSource:
    """Open a video file; GIF is one, too.

    Raises:
        SourceError: it is empty, not a video, cut off before its index, or has no video stream.
    """
    description = str(path)
    if path.is_file() and path.stat().st_size == 0:
        raise SourceError(f"{description} is empty (0 bytes): was the recording or copy cut off?")
    # An absolute path cannot be taken for a protocol, as "front:left.mp4" would be.
    with reading(description, path):
        container = av.open(str(path.absolute()))
    if container.format.name == "tty":
        container.close()
        raise SourceError(f"{description} is a text file, not a video")
    return VideoSource(container, description, is_live=False)


def open_url(url: str, *, timeout_seconds: float) -> VideoSource:
    """Open a network stream.

    It is live when its protocol is one for cameras, or when it states no duration.

    Args:
        url: with scheme, as in ``rtsp://user:password@host/path``.
        timeout_seconds: longest wait for the connection, for the stream's description, and for
            each packet.

    Raises:
        SourceError: no connection, no answer in time, or no video in what comes.
    """
    scheme = url.partition("://")[0].lower()
    description = re.sub(r"(?<=//)[^/@]*@", "***@", url)
    with reading(description):
        container = av.open(
            url,
            options=_RTSP_OPTIONS if scheme.startswith("rtsp") else {},
            timeout=(timeout_seconds, timeout_seconds),
        )
    is_live = scheme in _LIVE_SCHEMES or not container.duration
    return VideoSource(container, description, is_live=is_live)


def open_camera(device: str) -> VideoSource:
    """Open a camera of this machine through Video4Linux.

    Args:
        device: as ``/dev/video0``.

    Raises:
        SourceError: there is no such camera, it is in use, or this is not Linux.
    """
    description = f"camera {device}"
    if sys.platform != "linux":
        raise SourceError(f"{description}: cameras are read on Linux only; give a URL or a file")
    if not Path(device).exists():
        found = ", ".join(sorted(str(path) for path in Path("/dev").glob("video*"))) or "none"
        raise SourceError(f"no such camera: {device} (cameras found: {found})")
    with reading(description):
        try:
            # Over USB, uncompressed HD pictures come at 2 to 10 fps; most cameras offer MJPEG.
            container = av.open(device, format="v4l2", options={"input_format": "mjpeg"})
        except av.error.FFmpegError:
            container = av.open(device, format="v4l2")
    return VideoSource(container, description, is_live=True)

"""Open video files, network streams and cameras with FFmpeg."""

from __future__ import annotations

import sys
from pathlib import Path

import av
import av.error
from av.codec.hwaccel import HWAccel
from av.container import InputContainer

from streamseg.errors import SourceError
from streamseg.video.credentials import keep_secret, masked
from streamseg.video.decode import VideoSource
from streamseg.video.ffmpeg_errors import reading
from streamseg.video.hwaccel import kinds_to_try, open_decoding_on
from streamseg.video.options import SourceOptions

LIVE_SCHEMES = frozenset({"rtsp", "rtsps", "rtmp", "rtmps", "rtp", "udp", "srt"})
"""Protocols of cameras, whose streams usually have no end."""

# Formats whose data come from another address, or that only cameras send.
_WITHOUT_FILE = frozenset({"hls", "dash", "mpjpeg", "rtsp", "sdp"})

# The rate is taken from the stream's description; measuring it would delay images by a second.
_LIVE_OPTIONS = {"fpsprobesize": "0"}
# RTSP over UDP loses packets, which damages images; UDP is for cameras without TCP.
_ANY_TRANSPORT = {"rtsp_flags": "prefer_tcp"}
_DEFAULTS = SourceOptions()


def open_file(path: Path, options: SourceOptions = _DEFAULTS) -> VideoSource:
    """Open a video file, also a GIF.

    Args:
        path: of the file.
        options: ``stream``, ``hwaccel``, ``threads`` and ``chunk`` are used.

    Raises:
        SourceError: it is empty, not a video, cut off before its index, or has no such stream;
            or the device is missing.
    """
    description = str(path)
    if path.is_file() and path.stat().st_size == 0:
        raise SourceError(f"{description} is empty (0 bytes): was the recording or copy cut off?")
    kinds = kinds_to_try(options.hwaccel)
    # An absolute path cannot be taken for a protocol, as "front:left.mp4" would be.
    with reading(description, path):
        container = open_decoding_on(
            kinds,
            lambda device: av.open(str(path.absolute()), hwaccel=device, metadata_errors="replace"),
        )
    if container.format.name == "tty":
        container.close()
        raise SourceError(f"{description} is a text file, not a video")
    return VideoSource(
        container,
        description,
        is_live=False,
        stream_number=options.stream,
        threads=options.threads,
        chunk=options.chunk,
    )


def open_url(url: str, options: SourceOptions = _DEFAULTS) -> VideoSource:
    """Open a network stream, once.

    Unless the options decide, the stream is live if it has no known end: neither the media nor its
    playlist states a duration, and the server states no length.

    Args:
        url: with scheme, as in ``rtsp://user:password@host/path``.
        options: ``timeout_seconds``, ``transport``, ``stream``, ``threads``, ``live`` and
            ``hwaccel`` are used.

    Raises:
        SourceError: no connection, no answer in time, or no video in the stream; or the device
            is missing.
    """
    scheme = url.partition("://")[0].lower()
    description = masked(url)
    keep_secret(url)
    seconds = options.timeout_seconds
    ffmpeg_options = dict(_LIVE_OPTIONS) if scheme in LIVE_SCHEMES else {}
    if scheme.startswith("rtsp"):
        transport = options.transport
        ffmpeg_options |= {"rtsp_transport": transport} if transport else _ANY_TRANSPORT
    kinds = kinds_to_try(options.hwaccel)
    with reading(description):
        container = open_decoding_on(
            kinds,
            lambda device: av.open(
                url,
                options=ffmpeg_options,
                timeout=(seconds, seconds),
                hwaccel=device,
                metadata_errors="replace",
            ),
        )
    is_live = not _has_end(container) if options.live is None else options.live
    return VideoSource(
        container,
        description,
        is_live=is_live,
        timeout_seconds=seconds,
        stream_number=options.stream,
        threads=options.threads,
    )


def _has_end(container: InputContainer) -> bool:
    """Whether a network stream has an end, as a file has.

    A file from a browser or an interrupted program states no duration, but the server states its
    length.
    """
    if container.duration:
        return True
    return container.format.name not in _WITHOUT_FILE and container.size > 0


def open_camera(device: str, options: SourceOptions = _DEFAULTS) -> VideoSource:
    """Open a camera of this machine through Video4Linux, once.

    Args:
        device: as ``/dev/video0``.
        options: ``size``, ``rate``, ``pixel_format`` and ``hwaccel`` are used.

    Raises:
        SourceError: there is no such camera, it is in use, it does not have that size, rate or
            pixel format, or this is not Linux; or the device to decode on is missing.
    """
    description = f"camera {device}"
    if sys.platform != "linux":
        raise SourceError(f"{description}: cameras are read on Linux only; give a URL or a file")
    if not Path(device).exists():
        found = ", ".join(sorted(str(path) for path in Path("/dev").glob("video*"))) or "none"
        raise SourceError(f"no such camera: {device} (cameras found: {found})")
    wanted = _camera_options(options)
    kinds = kinds_to_try(options.hwaccel)

    def open_container(accelerator: HWAccel | None) -> InputContainer:
        if options.pixel_format is not None:
            return av.open(device, format="v4l2", options=wanted, hwaccel=accelerator)
        # Over USB, uncompressed HD images come at 2 to 10 fps; most cameras offer MJPEG.
        mjpeg = {**wanted, "input_format": "mjpeg"}
        try:
            return av.open(device, format="v4l2", options=mjpeg, hwaccel=accelerator)
        except av.error.FFmpegError:
            return av.open(device, format="v4l2", options=wanted, hwaccel=accelerator)

    with reading(description):
        container = open_decoding_on(kinds, open_container)
    return VideoSource(container, description, is_live=True)


def _camera_options(options: SourceOptions) -> dict[str, str]:
    """Size, rate and pixel format as options of FFmpeg's v4l2."""
    wanted = {}
    if options.size is not None:
        wanted["video_size"] = "{}x{}".format(*options.size)
    if options.rate is not None:
        wanted["framerate"] = f"{options.rate:g}"
    if options.pixel_format is not None:
        wanted["input_format"] = options.pixel_format
    return wanted

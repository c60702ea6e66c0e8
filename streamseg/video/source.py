"""Open whatever the user names: file, folder, pattern, camera, URL or test pattern."""

from __future__ import annotations

import glob
import logging
import os
import re
from pathlib import Path

from streamseg.errors import InputError, SourceError
from streamseg.video import images, test_pattern
from streamseg.video.base import AUTO, CPU, Source

logger = logging.getLogger(__name__)

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://.+")
_CAMERA_DEVICE = re.compile(r"/dev/video\d+")


def open_source(
    source: str | os.PathLike[str] | int, *, timeout_seconds: float = 10.0, hwaccel: str = CPU
) -> Source:
    """Open a source of frames and read its first one; what is wrong with it shows here.

    What is taken for what, in this order:

    - an int, or a string of digits that is no existing path: the camera ``/dev/videoN``
    - ``/dev/videoN``: that camera
    - ``test-pattern:[WIDTHxHEIGHT][@FPS][?frames=COUNT]``: a synthetic street
    - ``scheme://...``: a network stream (RTSP, HTTP, RTMP, UDP, SRT ...)
    - a folder: its images, sorted naturally, at a nominal 25 per second
    - a file: an image by its suffix, else a video (GIF, too)
    - a string with ``*``, ``?`` or ``[``: the images that match, like a folder

    Timestamps are the media's own, in seconds, rising strictly (see ``PresentationClock``); live
    sources count from their first frame. Pictures are upright. Importing this module does not
    load PyAV; opening a video does.

    Args:
        source: as above.
        timeout_seconds: for network streams, the longest wait for a connection or packet.
        hwaccel: what decodes: ``none`` is the CPU; a kind of device, as FFmpeg calls it (``cuda``,
            ``vaapi`` ...), is obeyed; ``auto`` takes a device that can, else the CPU with a
            warning in the log. ``Source.hwaccel`` tells which it became. Frames come back to main
            memory either way.

    Raises:
        InputError: ``source`` is of another type or empty, a camera index is negative, or a
            test pattern's address is malformed.
        SourceError: there is no such thing, nothing in it can be read, or the device named does
            not decode it.
    """
    opened = _open(source, timeout_seconds, hwaccel)
    if hwaccel == CPU or opened.hwaccel == hwaccel:
        return opened
    if hwaccel != AUTO:
        opened.close()
        raise SourceError(
            f"{hwaccel} does not decode {opened.description}, which is no video, or one of a kind "
            f"that the device does not take; {CPU} is the CPU, {AUTO} takes what works"
        )
    if opened.hwaccel == CPU:
        logger.warning(
            "%s: decoding on the CPU, as no device takes it (streamseg doctor lists devices)",
            opened.description,
        )
    return opened


def _open(source: str | os.PathLike[str] | int, timeout_seconds: float, hwaccel: str) -> Source:
    if isinstance(source, bool) or not isinstance(source, str | int | os.PathLike):
        raise InputError(
            f"a source is a path, a URL or a camera's index, got {type(source).__name__}"
        )
    if isinstance(source, int):
        if source < 0:
            raise InputError(f"a camera's index is 0 or more, got {source}")
        return _open_camera(f"/dev/video{source}", hwaccel)
    if isinstance(source, str):
        return _open_text(source, timeout_seconds, hwaccel)
    return _open_path(Path(source), hwaccel)


def _open_text(text: str, timeout_seconds: float, hwaccel: str) -> Source:
    if not text:
        raise InputError("the source is an empty string: give a path, a URL or a camera's index")
    if text.startswith(test_pattern.PREFIX):
        return test_pattern.PatternSource(text)
    if _CAMERA_DEVICE.fullmatch(text):
        return _open_camera(text, hwaccel)
    if _URL.fullmatch(text):
        from streamseg.video import containers

        return containers.open_url(text, timeout_seconds=timeout_seconds, hwaccel=hwaccel)
    path = Path(text).expanduser()
    if not path.exists():
        if text.isdecimal():
            return _open_camera(f"/dev/video{int(text)}", hwaccel)
        if glob.has_magic(text):
            return images.open_pattern(str(path))
    return _open_path(path, hwaccel)


def _open_path(path: Path, hwaccel: str) -> Source:
    if not path.exists():
        raise SourceError(f"no such file or folder: {path} (looked in {Path.cwd()})")
    if path.is_dir():
        return images.open_folder(path)
    if path.suffix.lower() in images.IMAGE_SUFFIXES:
        return images.open_image(path)
    from streamseg.video import containers

    return containers.open_file(path, hwaccel=hwaccel)


def _open_camera(device: str, hwaccel: str) -> Source:
    from streamseg.video import containers

    return containers.open_camera(device, hwaccel=hwaccel)

"""Open whatever the user names: file, folder, pattern, camera, URL or test pattern."""

from __future__ import annotations

import glob
import os
import re
from pathlib import Path

from streamseg.errors import InputError, SourceError
from streamseg.video import images, test_pattern
from streamseg.video.base import Source

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://.+")
_CAMERA_DEVICE = re.compile(r"/dev/video\d+")


def open_source(source: str | os.PathLike[str] | int, *, timeout_seconds: float = 10.0) -> Source:
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

    Raises:
        InputError: ``source`` is of another type or empty, a camera index is negative, or a
            test pattern's address is malformed.
        SourceError: there is no such thing, or nothing in it can be read.
    """
    if isinstance(source, bool) or not isinstance(source, str | int | os.PathLike):
        raise InputError(
            f"a source is a path, a URL or a camera's index, got {type(source).__name__}"
        )
    if isinstance(source, int):
        if source < 0:
            raise InputError(f"a camera's index is 0 or more, got {source}")
        return _open_camera(f"/dev/video{source}")
    if isinstance(source, str):
        return _open_text(source, timeout_seconds)
    return _open_path(Path(source))


def _open_text(text: str, timeout_seconds: float) -> Source:
    if not text:
        raise InputError("the source is an empty string: give a path, a URL or a camera's index")
    if text.startswith(test_pattern.PREFIX):
        return test_pattern.PatternSource(text)
    if _CAMERA_DEVICE.fullmatch(text):
        return _open_camera(text)
    if _URL.fullmatch(text):
        from streamseg.video import containers

        return containers.open_url(text, timeout_seconds=timeout_seconds)
    path = Path(text).expanduser()
    if not path.exists():
        if text.isdecimal():
            return _open_camera(f"/dev/video{int(text)}")
        if glob.has_magic(text):
            return images.open_pattern(str(path))
    return _open_path(path)


def _open_path(path: Path) -> Source:
    if not path.exists():
        raise SourceError(f"no such file or folder: {path} (looked in {Path.cwd()})")
    if path.is_dir():
        return images.open_folder(path)
    if path.suffix.lower() in images.IMAGE_SUFFIXES:
        return images.open_image(path)
    from streamseg.video import containers

    return containers.open_file(path)


def _open_camera(device: str) -> Source:
    from streamseg.video import containers

    return containers.open_camera(device)

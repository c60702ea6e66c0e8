"""Open a source: file, folder, pattern, recording, camera, URL or test pattern."""

from __future__ import annotations

import logging
import os
import re
import stat
from pathlib import Path
from threading import Event
from typing import NamedTuple

from streamseg.errors import InputError, SourceError
from streamseg.video import images, test_pattern
from streamseg.video.base import Source
from streamseg.video.credentials import masked
from streamseg.video.events import Announcer
from streamseg.video.image_files import IMAGE_SUFFIXES, is_pattern
from streamseg.video.live import OpenOnce, open_live
from streamseg.video.local_paths import is_url, local_path
from streamseg.video.options import AUTO, CPU, SourceOptions
from streamseg.video.recordings.paths import split_topic

logger = logging.getLogger(__name__)

_CAMERA_DEVICE = re.compile(r"/dev/video\d+")


def name_of(source: str | os.PathLike[str] | int) -> str:
    """The name of a source in messages, before it is opened; passwords are masked."""
    if isinstance(source, int):
        return f"camera /dev/video{source}"
    text = os.fspath(source) if isinstance(source, os.PathLike) else source
    if not isinstance(text, str) or text.startswith(test_pattern.PREFIX):
        return str(text)
    return masked(text)


def check_source_type(source: object) -> None:
    """Check that a source is of a type that ``open_source`` takes.

    Raises:
        InputError: it is not a string, a path or an int.
    """
    is_bytes = isinstance(source, os.PathLike) and isinstance(os.fspath(source), bytes)
    if is_bytes or isinstance(source, bool) or not isinstance(source, str | int | os.PathLike):
        raise InputError(
            f"a source is a path, a URL or a camera's index, got {type(source).__name__}"
        )


def open_source(
    source: str | os.PathLike[str] | int,
    options: SourceOptions | None = None,
    *,
    announce: Announcer | None = None,
    stopping: Event | None = None,
    wait_for_source: bool = False,
) -> Source:
    """Open a source of frames and read its first frame.

    The kind of source is, in this order:

    - an int, or a string of digits that is not an existing path: the camera ``/dev/videoN``
    - ``/dev/videoN``: that camera
    - ``test-pattern:[WIDTHxHEIGHT][@FPS][?frames=COUNT]``: a synthetic street
    - ``file://...``: the file or folder, see below
    - ``scheme://...``: a network stream (RTSP, HTTP, RTMP, UDP, SRT ...)
    - an MCAP file, a ROS 1 bag, or the folder or .db3 file of a ROS 2 bag: its camera topic; of
      several, the one named after a ``#``, as ``drive.mcap#/camera/front``
    - a folder: its images, sorted naturally, at a nominal 25 per second
    - a file: an image by its suffix, else a video (also a GIF)
    - a string with ``*``, ``?`` or ``[``: the images that match, like a folder

    Timestamps are the media's own, in seconds, rising strictly (see ``PresentationClock``); those
    of live sources count from their first frame. Images are upright. Cameras and network streams
    reconnect after a loss (see ``LiveSource``). Importing this module does not load PyAV; opening a
    video does.

    Args:
        source: as above.
        options: the defaults if None. With ``hwaccel="auto"`` the CPU decodes if no device can,
            with a warning in the log. ``Source.hwaccel`` is what decodes. Frames are always copied
            to main memory.
        announce: called with changes of the source's state.
        stopping: ends all waits when set.
        wait_for_source: try again if a camera or network stream does not answer, as after a loss,
            instead of raising an error.

    Raises:
        InputError: ``source`` is of another type or empty, a camera index is negative, or a
            test pattern's address is malformed.
        SourceError: there is no such source, nothing in it can be read, or ``hwaccel`` names a
            device that cannot decode it.
    """
    options = options or SourceOptions()
    announce = announce or Announcer(name_of(source))
    announce("connecting")
    opened = _open(source, _Opening(options, announce, stopping or Event(), wait_for_source))
    if options.realtime and not opened.is_live:
        from streamseg.video.pacing import RealtimeSource

        opened = RealtimeSource(opened, stopping)
    announce("live")
    return opened


class _Opening(NamedTuple):
    """The arguments of ``open_source``."""

    options: SourceOptions
    announce: Announcer
    stopping: Event
    wait_for_source: bool

    def live(self, open_once: OpenOnce) -> Source:
        return open_live(
            lambda: _on_device(open_once(), self.options.hwaccel),
            self.options,
            self.announce,
            self.stopping,
            wait_for_source=self.wait_for_source,
        )


def _on_device(opened: Source, hwaccel: str) -> Source:
    """Check that the device that was asked for decodes the source."""
    if hwaccel == CPU or opened.hwaccel == hwaccel:
        return opened
    if hwaccel != AUTO:
        opened.close()
        raise SourceError(
            f"{hwaccel} does not decode {opened.description}: it is not a video, or the device "
            f"does not support it; {CPU} is the CPU, {AUTO} uses what works"
        )
    if opened.hwaccel == CPU:
        logger.warning(
            "%s: decoding on the CPU, because no device supports it (see streamseg doctor)",
            opened.description,
        )
    return opened


def _open(source: str | os.PathLike[str] | int, opening: _Opening) -> Source:
    check_source_type(source)
    if isinstance(source, int):
        if source < 0:
            raise InputError(f"a camera's index is 0 or more, got {source}")
        return _open_camera(f"/dev/video{source}", opening)
    if isinstance(source, str):
        return _open_text(source, opening)
    return _open_path(Path(source), opening)


def _open_text(text: str, opening: _Opening) -> Source:
    if not text:
        raise InputError("the source is an empty string: give a path, a URL or a camera's index")
    if text.startswith(test_pattern.PREFIX):
        return _on_device(test_pattern.PatternSource(text), opening.options.hwaccel)
    if _CAMERA_DEVICE.fullmatch(text):
        return _open_camera(text, opening)
    if is_url(text):
        from streamseg.video import containers

        return opening.live(lambda: containers.open_url(text, opening.options))
    if recording := split_topic(text):
        return _open_recording(*recording, opening)
    path = local_path(text)
    if not os.path.exists(path):
        if text.isdecimal():
            return _open_camera(f"/dev/video{int(text)}", opening)
        if is_pattern(str(path)):
            return _on_device(images.open_pattern(str(path)), opening.options.hwaccel)
    return _open_path(path, opening)


def _open_recording(path: Path, topic: str | None, opening: _Opening) -> Source:
    from streamseg.video.recordings.source import RecordingSource

    source = RecordingSource(path, topic, opening.options.chunk)
    return _on_device(source, opening.options.hwaccel)


def _open_path(path: Path, opening: _Opening) -> Source:
    if recording := split_topic(str(path)):
        return _open_recording(*recording, opening)
    return _on_device(_open_file(path, opening.options), opening.options.hwaccel)


def _open_file(path: Path, options: SourceOptions) -> Source:
    try:
        status = path.stat()
    except FileNotFoundError as error:
        raise SourceError(
            f"no such file or folder: {masked(str(path))} (looked in {Path.cwd()})"
        ) from error
    except (OSError, ValueError) as error:
        raise SourceError(
            f"cannot read {masked(str(path))}: {getattr(error, 'strerror', None) or error}"
        ) from error
    if stat.S_ISDIR(status.st_mode):
        return images.open_folder(path)
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return images.open_image(path)
    from streamseg.video import containers

    return containers.open_file(path, options)


def _open_camera(device: str, opening: _Opening) -> Source:
    from streamseg.video import containers

    return opening.live(lambda: containers.open_camera(device, opening.options))

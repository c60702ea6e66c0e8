"""The sources of a stream, served in turn."""

from __future__ import annotations

import os
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from threading import Event, Thread
from typing import TypeAlias

from streamseg.tracking import Tracker
from streamseg.video.base import Source
from streamseg.video.events import Announcer
from streamseg.video.frame_buffer import Fetched
from streamseg.video.options import SourceOptions
from streamseg.video.prefetch import OpenLater, Prefetch
from streamseg.video.source import open_source

SourceLike: TypeAlias = str | os.PathLike[str] | int | Source


@dataclass
class Lane:
    """One source of a stream."""

    index: int
    name: str
    frames: Prefetch
    tracker: Tracker
    to_skip: int = 0
    """Frames to pass over from now on."""
    passed_over: int = 0
    """Frames thrown away since the last one that was handed on."""

    def pass_over(self, dropped: int) -> None:
        """Count a frame as thrown away, and those that were dropped before it."""
        self.passed_over += 1 + dropped


class Lanes:
    """Those that have not ended; every call is made while holding what ``Prefetch`` notifies."""

    def __init__(self) -> None:
        """Start without any."""
        self.open: list[Lane] = []
        self._skipped_before = 0

    @property
    def skipped(self) -> int:
        """Unreadable images or damaged packets that were passed over so far."""
        return self._skipped_before + sum(lane.frames.skipped for lane in self.open)

    def next_ready(self) -> Lane | None:
        """The lane that has something and was not asked for longest."""
        return next((lane for lane in self.open if lane.frames.is_ready()), None)

    def fetch(self, lane: Lane) -> Fetched | None:
        """A frame of a lane that is ready; None where it is skipped, or the lane has ended.

        Raises:
            SourceError: the lane has ended with it; so it has with what a callback raised.
        """
        self.open.remove(lane)
        self.open.append(lane)
        try:
            fetched = next(lane.frames)
        except StopIteration:
            self._drop(lane)
            return None
        except Exception:
            self._drop(lane)
            raise
        if lane.to_skip:
            lane.to_skip -= 1
            lane.pass_over(fetched.dropped)
            return None
        dropped, lane.passed_over = lane.passed_over + fetched.dropped, 0
        return fetched._replace(dropped=dropped)

    def _drop(self, lane: Lane) -> None:
        self.open.remove(lane)
        self._skipped_before += lane.frames.skipped


def opened_now(
    source: str | os.PathLike[str] | int, options: SourceOptions | None, announce: Announcer
) -> Source:
    """Open in a thread: FFmpeg's waiting for a network could not be ended by Ctrl-C here.

    Raises:
        SourceError: it cannot be opened.
    """
    opened: Future[Source] = Future()
    stopping = Event()

    def work() -> None:
        try:
            found = open_source(source, options, announce=announce, stopping=stopping)
        except BaseException as error:  # whatever it is belongs to the caller
            opened.set_exception(error)
            return
        opened.set_result(found)
        if stopping.is_set():
            found.close()

    Thread(target=work, name="streamseg-open", daemon=True).start()
    try:
        return opened.result()
    except KeyboardInterrupt:
        stopping.set()
        raise


def opened_later(
    source: str | os.PathLike[str] | int, options: SourceOptions | None, announce: Announcer
) -> OpenLater:
    """What opens a source in the thread that reads it, and waits there for a camera."""
    return partial(_open, source, options, announce)


def _open(
    source: str | os.PathLike[str] | int,
    options: SourceOptions | None,
    announce: Announcer,
    stopping: Event,
) -> Source:
    return open_source(source, options, announce=announce, stopping=stopping, patient=True)

"""What all sources have in common: facts about the media and an iterator of frames."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Generator, Iterator
from fractions import Fraction
from threading import Event
from typing import NoReturn

from streamseg.closing import Closing
from streamseg.errors import SourceError
from streamseg.results import Frame
from streamseg.video.options import CPU

logger = logging.getLogger(__name__)


class Source(Closing, Iterator[Frame]):
    """An opened video, camera or set of images; iterate it, once, for its frames.

    The first frame is read while opening: a source that exists has shown one readable image.
    Timestamps rise strictly from frame to frame. Close it, or use it as a context manager, to
    release the file or camera; frames that were already taken stay usable.

    A source belongs to one thread at a time; ``prefetch`` moves it to one of its own.
    """

    description: str
    """What was opened, in words for messages; passwords in URLs are masked."""
    width: int
    """Width of the first upright image in pixels."""
    height: int
    """Height of the first upright image in pixels."""
    pixel_aspect: Fraction
    """Width by height of the pixels of the first upright image; 1 is square."""
    frame_count: int | None
    """Number of frames as the container states it or its duration and rate suggest; None when
    unknown. Take it for an estimate."""
    duration_seconds: float | None
    """Duration as the container states it, in seconds; None when unknown or without end."""
    average_rate: Fraction | None
    """Mean frames per second as the container states it; None when unknown."""
    time_base: Fraction
    """Unit of the media's clock in seconds: timestamps are multiples of it."""
    is_live: bool
    """True when the frames come at the pace of a camera and waiting frames grow stale."""
    hwaccel: str
    """Kind of device that decodes, as ``cuda``; ``none`` is the CPU."""
    skipped: int
    """Unreadable images or damaged packets passed over so far."""
    stopping: Event
    """Set it, from any thread, to end a wait between two frames; ``close`` sets it."""
    decode_ms: float
    """Time to decode the latest frame in ms, without waiting for the camera or the network."""

    def __init__(
        self,
        frames: Generator[Frame, None, None],
        description: str,
        *,
        time_base: Fraction,
        average_rate: Fraction | None,
        frame_count: int | None,
        duration_seconds: float | None,
        is_live: bool = False,
        stopping: Event | None = None,
    ) -> None:
        """Read the first frame and take the facts.

        Args:
            frames: yields the frames in order and releases everything in its ``finally``; it may
                call ``_skip`` and set ``decode_ms``, but must not run before this call.
            description: see the attributes of the class, also for all that follow.
            time_base: in seconds.
            average_rate: in frames per second.
            frame_count: in frames.
            duration_seconds: in seconds.
            is_live: whether to keep up with a camera.
            stopping: the event that ends its waits, if somebody holds it already.

        Raises:
            SourceError: not one frame can be read.
        """
        self.description = description
        self.time_base = time_base
        self.average_rate = average_rate
        self.frame_count = frame_count
        self.duration_seconds = duration_seconds
        self.is_live = is_live
        self.hwaccel = CPU
        self.skipped = 0
        self.stopping = stopping or Event()
        self.decode_ms = 0.0
        self._frames = frames
        self._latest_problem = ""
        self._first = next(frames, None)
        if self._first is None:
            self._raise_empty()
        self.width = self._first.width
        self.height = self._first.height
        self.pixel_aspect = self._first.pixel_aspect

    def __next__(self) -> Frame:
        """Return the next frame.

        Raises:
            StopIteration: at the end, and always after ``close``.
            SourceError: the media cannot be read any further.
        """
        if self._first is not None:
            first, self._first = self._first, None
            return first
        return next(self._frames)

    def close(self) -> None:
        """Release the file or camera; doing so twice is harmless."""
        self.stopping.set()
        self._first = None
        if inspect.getgeneratorstate(self._frames) != inspect.GEN_RUNNING:
            self._frames.close()  # else a prefetching thread is in it, and closes it later

    def _skip(self, what: str, problem: str) -> None:
        """Count ``what`` as unreadable and say so, loudly for the first time only.

        A stream that is joined in the middle has dozens of undecodable packets in a row.
        """
        level = logging.DEBUG if self.skipped else logging.WARNING
        logger.log(level, "%s: skipped %s: %s", self.description, what, problem)
        self.skipped += 1
        self._latest_problem = f" ({what}: {problem})"

    def _raise_empty(self) -> NoReturn:
        raise SourceError(
            f"no image can be decoded from {self.description}{self._latest_problem}: "
            "it is empty, damaged or of an unknown kind"
        )

"""The base of all sources: properties of the media and an iterator of frames."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Generator, Iterator
from fractions import Fraction
from threading import Event
from typing import NoReturn

from streamseg.closing import Closing
from streamseg.errors import SourceError
from streamseg.frame import Frame
from streamseg.video.options import CPU

logger = logging.getLogger(__name__)


class NoImageError(SourceError):
    """No image of a source can be decoded; of a chunk this need not be an error."""


class Source(Closing, Iterator[Frame]):
    """An opened video, camera or set of images; an iterator of its frames.

    The first frame is read while opening, so an opened source has at least one readable image.
    Timestamps rise strictly from frame to frame. Close it, or use it as a context manager, to
    release the file or camera; frames that were read before stay valid.

    One thread at a time may use a source; ``prefetch`` reads it in a separate thread.
    """

    description: str
    """Name for messages; passwords in URLs are masked."""
    width: int
    """Width of the first upright image in pixels."""
    height: int
    """Height of the first upright image in pixels."""
    pixel_aspect: Fraction
    """Width by height of the pixels of the first upright image; 1 is square."""
    frame_count: int | None
    """Estimated number of frames: as the container states it, or from duration and rate; None if
    unknown."""
    duration_seconds: float | None
    """Duration as the container states it, in seconds; None if unknown or endless."""
    average_rate: Fraction | None
    """Mean frames per second as the container states it; None if unknown."""
    time_base: Fraction
    """Unit of the timestamps, in seconds."""
    is_live: bool
    """Whether frames come at the pace of a camera, so that waiting frames go stale."""
    hwaccel: str
    """Kind of device that decodes, for example ``cuda``; ``none`` is the CPU."""
    skipped: int
    """Number of unreadable images and damaged packets that were skipped so far."""
    stopping: Event
    """Set it from any thread to end a wait between two frames; ``close`` sets it."""
    decode_ms: float
    """Time to decode the latest frame, in ms, without waits for the camera or the network."""

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
        """Read the first frame and set the properties.

        Args:
            frames: yields the frames in order and releases its resources in ``finally``; it may
                call ``_skip`` and set ``decode_ms``. It must not have been started.
            description: see the attribute of the class.
            time_base: in seconds.
            average_rate: in frames per second.
            frame_count: in frames.
            duration_seconds: in seconds.
            is_live: see the attribute of the class.
            stopping: the event that ends its waits; None creates one.

        Raises:
            SourceError: no frame can be read.
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
        """Release the file or camera; closing again is a no-op."""
        self.stopping.set()
        self._first = None
        if inspect.getgeneratorstate(self._frames) != inspect.GEN_RUNNING:
            self._frames.close()  # otherwise a prefetching thread runs it, and closes it later

    def _skip(self, what: str, problem: str) -> None:
        """Count ``what`` as unreadable; only the first one is logged as a warning.

        A stream that is joined in the middle has dozens of undecodable packets in a row. If
        ``what`` is the whole source, nothing is logged: the error that follows gives the reason.
        """
        self.skipped += 1
        if what == self.description:
            self._latest_problem = f" ({problem})"
            return
        level = logging.DEBUG if self.skipped > 1 else logging.WARNING
        logger.log(level, "%s: skipped %s: %s", self.description, what, problem)
        self._latest_problem = f" ({what}: {problem})"

    def _raise_empty(self) -> NoReturn:
        raise NoImageError(
            f"no image can be decoded from {self.description}{self._latest_problem}: "
            "it is empty, damaged or of an unknown kind"
        )

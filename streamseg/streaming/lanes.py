"""The sources of a stream, whose frames are taken in turn."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Condition

from streamseg.errors import StreamsegError
from streamseg.tracking import Tracker
from streamseg.video.frame_buffer import QueuedFrame
from streamseg.video.prefetch import Prefetch


@dataclass
class Lane:
    """One source of a stream, with its prefetched frames and its tracker."""

    index: int
    name: str
    frames: Prefetch
    tracker: Tracker
    recording: str | None = None
    """Path of the drive recording, if the source is a topic of one."""
    to_skip: int = 0
    """Number of next frames to drop."""
    dropped: int = 0
    """Number of frames dropped since the latest one that was taken and kept."""


class Lanes:
    """The sources that have not ended; callers hold the condition that ``Prefetch`` notifies."""

    def __init__(self, changed: Condition, *, stays_open: bool) -> None:
        """Start without any.

        Args:
            changed: the condition.
            stays_open: whether ``take`` waits for another source when all have ended.
        """
        self.active: list[Lane] = []
        self.is_single = False
        """Whether ``take`` raises the error of a source."""
        self.first_error: StreamsegError | None = None
        """The first error that ``take`` has not raised."""
        self.is_paused = self.is_stopped = False
        self._changed = changed
        self._stays_open = stays_open
        self._skipped_before = 0

    @property
    def skipped(self) -> int:
        """Number of unreadable images and damaged packets so far."""
        return self._skipped_before + sum(lane.frames.skipped for lane in self.active)

    @property
    def any_live(self) -> bool:
        """Whether a newer frame of a source replaces one that waits."""
        return any(lane.frames.drops for lane in self.active)

    def take(self, *, wait: bool) -> tuple[Lane, QueuedFrame] | None:
        """Take the next frame, in turn.

        Args:
            wait: whether to wait for a frame, and while the stream is paused.

        Returns:
            The source and its frame. None at the end; or if no frame is ready, without ``wait``.

        Raises:
            SourceError: the source failed, and ``is_single`` is true. An error of a callback is
                raised as it is.
        """
        while not self.is_stopped and (self.active or (self._stays_open and wait)):
            lane = None if self.is_paused else self._next_ready()
            # results of frames in flight come before an end or an error
            if not wait and (lane is None or not lane.frames.has_frame()):
                return None
            if lane is None:
                self._changed.wait()
                continue
            try:
                queued = self._take_from(lane)
            except StreamsegError as error:
                if self.is_single:
                    raise
                self.first_error = self.first_error or error
                continue
            if queued is not None:
                return lane, queued
        return None

    def _next_ready(self) -> Lane | None:
        """The ready lane that has waited longest since its latest frame.

        A topic of a recording counts as ready when all topics of this recording are, and its next
        frame has the earliest stamp of them.
        """
        return next((lane for lane in self.active if self._is_next(lane)), None)

    def _is_next(self, lane: Lane) -> bool:
        if not lane.frames.is_ready():
            return False
        first = lane.frames.first()
        if first is None or first.stamp_ns is None or lane.recording is None or lane.frames.drops:
            return True
        others = [other for other in self.active if other.recording == lane.recording]
        if not all(other.frames.is_ready() for other in others):
            return False
        following = [other.frames.first() for other in others]
        return first.stamp_ns <= min(f.stamp_ns for f in following if f and f.stamp_ns is not None)

    def _take_from(self, lane: Lane) -> QueuedFrame | None:
        """Take the next frame of a ready lane; None if it is dropped, or if the lane has ended."""
        self.active.remove(lane)
        self.active.append(lane)
        try:
            queued = next(lane.frames)
        except StopIteration:
            self._remove(lane)
            return None
        except Exception:
            self._remove(lane)
            raise
        if lane.to_skip:
            lane.to_skip -= 1
            lane.dropped += 1 + queued.dropped
            return None
        dropped, lane.dropped = lane.dropped + queued.dropped, 0
        return queued._replace(dropped=dropped)

    def _remove(self, lane: Lane) -> None:
        self.active.remove(lane)
        self._skipped_before += lane.frames.skipped

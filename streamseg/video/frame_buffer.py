"""The queue between the decoding thread and the consumer, and the policy for dropping frames."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from threading import Condition
from typing import NamedTuple

from streamseg.errors import ConfigError
from streamseg.frame import Frame


@dataclass(frozen=True)
class Policy:
    """Which frames are used when they come faster than they are consumed."""

    drops: bool | None = None
    """True: take the newest frame only. False: take all; the source waits. None: True for a live
    source, False for others."""
    every: int = 1
    """Take every N-th of these frames, starting with the first."""

    @classmethod
    def of(cls, text: str | None) -> Policy:
        """Parse ``latest``, ``all`` or ``every=N``; None is the default.

        Raises:
            ConfigError: the text is anything else.
        """
        if text is None:
            return cls()
        if text in ("latest", "all"):
            return cls(drops=text == "latest")
        number = re.fullmatch(r"every=([1-9]\d*)", text)
        if not number:
            raise ConfigError(f"policy must be latest, all or every=N (every=3), got {text!r}")
        return cls(every=int(number[1]))


class QueuedFrame(NamedTuple):
    """A frame, with the frames dropped before it and the time to decode it."""

    frame: Frame
    dropped: int
    """Number of frames dropped just before this one."""
    decode_ms: float
    """Time to decode it, in ms, without waits for the camera or the network."""


class FrameBuffer:
    """A bounded queue of frames between two threads."""

    def __init__(self, depth: int, policy: Policy, changed: Condition) -> None:
        """Start empty; ``changed`` guards the buffer and is notified of every change."""
        self.skipped = 0
        self._capacity = depth
        self._policy = policy
        self.drops = bool(policy.drops)
        self._changed = changed
        self._waiting: deque[QueuedFrame] = deque()
        self._dropped = 0
        self._until_next = 0
        self.is_stopped = False
        self._is_ended = False
        self._failure: BaseException | None = None

    def begin(self, *, is_live: bool) -> None:
        """Set whether the source is live, before the first frame."""
        if self._policy.drops is None:
            self.drops = is_live
        if self.drops:
            self._capacity = 1

    def put(self, frame: Frame, decode_ms: float) -> bool:
        """Add a frame; wait or drop one if full. False if the consumer has stopped."""
        with self._changed:
            if self._until_next:
                self._until_next -= 1
                self._dropped += 1
                return not self.is_stopped
            if self.drops and self._waiting:
                self._dropped += 1 + self._waiting.popleft().dropped
            self._changed.wait_for(lambda: len(self._waiting) < self._capacity or self.is_stopped)
            if self.is_stopped:
                return False
            self._waiting.append(QueuedFrame(frame, self._dropped, decode_ms))
            self._dropped = 0
            self._until_next = self._policy.every - 1
            self._changed.notify_all()
            return True

    def is_ready(self) -> bool:
        """Whether ``take`` would not wait."""
        return self.has_frame() or self._is_ended or self.is_stopped

    def has_frame(self) -> bool:
        """Whether ``take`` would return a frame at once."""
        return bool(self._waiting)

    def first(self) -> Frame | None:
        """The frame that ``take`` would return; None if none is waiting."""
        return self._waiting[0].frame if self._waiting else None

    def take(self) -> QueuedFrame | None:
        """Wait for a frame; None at the end.

        Raises:
            BaseException: the error that ended the thread, once, after its last frame.
        """
        with self._changed:
            self._changed.wait_for(self.is_ready)
            if self._waiting:
                queued = self._waiting.popleft()
                self._changed.notify_all()
                return queued
            failure, self._failure = self._failure, None
            if failure is not None:
                raise failure
            return None

    def end(self, failure: BaseException | None) -> None:
        """Mark the end of the frames, with the error that ended the source, if any."""
        with self._changed:
            self._is_ended = True
            self._failure = failure
            self._changed.notify_all()

    def stop(self) -> None:
        """Discard the frames and accept no more."""
        with self._changed:
            self.is_stopped = True
            self._waiting.clear()
            self._failure = None
            self._changed.notify_all()

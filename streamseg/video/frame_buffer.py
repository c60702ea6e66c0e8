"""Frames between the thread that decodes and the one that uses them, and which may give way."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from threading import Condition
from typing import NamedTuple

from streamseg.errors import ConfigError
from streamseg.results import Frame


@dataclass(frozen=True)
class Policy:
    """Which frames are handed on when they come faster than they are used."""

    drops: bool | None = None
    """True: the newest one; False: all of them, the source waits; None: the newest one of a live
    source, all of any other."""
    every: int = 1
    """Of those, every N-th, beginning with the first."""

    @classmethod
    def of(cls, text: str | None) -> Policy:
        """Read ``latest``, ``all`` or ``every=N``; None is the default.

        Raises:
            ConfigError: it reads otherwise.
        """
        if text is None:
            return cls()
        if text in ("latest", "all"):
            return cls(drops=text == "latest")
        number = re.fullmatch(r"every=([1-9]\d*)", text)
        if not number:
            raise ConfigError(f"a policy is latest, all or every=N, as every=3, got {text!r}")
        return cls(every=int(number[1]))


class Fetched(NamedTuple):
    """One frame with what happened on its way."""

    frame: Frame
    dropped: int
    """Frames that were thrown away just before this one, to stay up to date."""
    decode_ms: float
    """Time to decode it, in ms, without waiting for the camera or the network."""


class FrameBuffer:
    """The frames between the two threads, a bounded number of them."""

    def __init__(self, depth: int, policy: Policy, changed: Condition) -> None:
        """Begin empty; ``changed`` guards what is here and is notified of all that happens."""
        self.skipped = 0
        self._capacity = depth
        self._policy = policy
        self.drops = bool(policy.drops)
        self._changed = changed
        self._waiting: deque[Fetched] = deque()
        self._passed_over = 0
        self._until_next = 0
        self.is_stopped = False
        self._is_ended = False
        self._failure: BaseException | None = None

    def begin(self, *, is_live: bool) -> None:
        """Say what the policy's default depends on, before the first frame."""
        if self._policy.drops is None:
            self.drops = is_live
        if self.drops:
            self._capacity = 1

    def put(self, frame: Frame, decode_ms: float) -> bool:
        """Add a frame, waiting or dropping when full; False when no more are wanted."""
        with self._changed:
            if self._until_next:
                self._until_next -= 1
                self._passed_over += 1
                return not self.is_stopped
            if self.drops and self._waiting:
                self._passed_over += 1 + self._waiting.popleft().dropped
            self._changed.wait_for(lambda: len(self._waiting) < self._capacity or self.is_stopped)
            if self.is_stopped:
                return False
            self._waiting.append(Fetched(frame, self._passed_over, decode_ms))
            self._passed_over = 0
            self._until_next = self._policy.every - 1
            self._changed.notify_all()
            return True

    def is_ready(self) -> bool:
        """Whether ``get`` would not wait."""
        return self.has_frame() or self._is_ended or self.is_stopped

    def has_frame(self) -> bool:
        """Whether ``get`` would give one at once."""
        return bool(self._waiting)

    def first(self) -> Frame | None:
        """The frame that ``get`` would give; None if none is waiting."""
        return self._waiting[0].frame if self._waiting else None

    def get(self) -> Fetched | None:
        """Wait for a frame; None at the end.

        Raises:
            BaseException: what ended the thread, once, after its last frame.
        """
        with self._changed:
            self._changed.wait_for(self.is_ready)
            if self._waiting:
                fetched = self._waiting.popleft()
                self._changed.notify_all()
                return fetched
            failure, self._failure = self._failure, None
            if failure is not None:
                raise failure
            return None

    def end(self, failure: BaseException | None) -> None:
        """Say that no frame follows, and why if it is not the end of the media."""
        with self._changed:
            self._is_ended = True
            self._failure = failure
            self._changed.notify_all()

    def stop(self) -> None:
        """Forget the frames and take no more."""
        with self._changed:
            self.is_stopped = True
            self._waiting.clear()
            self._failure = None
            self._changed.notify_all()

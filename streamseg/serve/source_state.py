"""What is known of one source: its state, its speed, who is in view."""

from __future__ import annotations

import time
from collections import deque
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from streamseg.formats.writer import readable
from streamseg.results import FrameResult
from streamseg.video.events import State, StreamEvent

if TYPE_CHECKING:
    from streamseg.serve.encoded import EncodedResult
    from streamseg.serve.video_feed import VideoFeed

WINDOW_SECONDS: Final = 3.0
"""Time over which frame rate and latency are measured."""
MOST_IN_WINDOW: Final = 1000
FORGOTTEN_AFTER_SECONDS: Final = 10.0
"""After this time out of view a name counts as new."""


class SourceState:
    """State of one source; the hub's lock guards it."""

    def __init__(self, index: int, name: str, video: VideoFeed) -> None:
        """Start a source that is connecting."""
        self.newest: EncodedResult | None = None
        self.shown: EncodedResult | None = None
        """The newest one whose image viewers are shown."""
        self.video = video
        self._index = index
        self._name = readable(name)
        self._state: State = "connecting"
        self._reason = ""
        self._attempt = 0
        self._since = time.monotonic()
        self._frames = self._dropped = 0
        self._recent: deque[tuple[float, float]] = deque(maxlen=MOST_IN_WINDOW)
        """When each frame was published, and its latency in ms."""
        self._seen: dict[str, tuple[float, float]] = {}
        """When each name was seen first and last."""

    def note_event(self, event: StreamEvent) -> None:
        """Change the state; the time since it counts from the loss, not from each try."""
        is_still_lost = event.state == "reconnecting" and self._state in ("lost", "reconnecting")
        if not is_still_lost:
            self._since = time.monotonic()
        self._state, self._attempt = event.state, event.attempt
        if event.reason or event.state == "live":
            self._reason = event.reason

    def note_result(self, result: FrameResult) -> dict[str, float]:
        """Count a frame.

        Returns:
            For how many seconds each confirmed instance has been in view, by its name.
        """
        now = time.monotonic()
        if self._state == "connecting":  # a source that was opened elsewhere has no events
            self._state, self._since = "live", now
        self._frames += 1
        self._dropped += result.dropped
        self._recent.append((now, result.latency_ms))
        for instance in result.confirmed:
            first, _ = self._seen.get(instance.name, (now, now))
            self._seen[instance.name] = first, now
        self._seen = {
            name: (first, last)
            for name, (first, last) in self._seen.items()
            if now - last < FORGOTTEN_AFTER_SECONDS
        }
        return {name: now - first for name, (first, last) in self._seen.items() if last == now}

    def describe(self, now: float) -> dict[str, Any]:
        """The fields of docs/serve.md."""
        recent = [(at, ms) for at, ms in self._recent if now - at < WINDOW_SECONDS]
        fps = 0.0
        if len(recent) > 1:
            fps = (len(recent) - 1) / max(recent[-1][0] - recent[0][0], 1e-9)
        return {
            "index": self._index,
            "name": self._name,
            "state": self._state,
            "since_seconds": round(now - self._since, 1),
            "reason": self._reason,
            "attempt": self._attempt,
            "frames": self._frames,
            "dropped": self._dropped,
            "fps": round(fps, 1),
            "latency_ms": round(median(ms for _, ms in recent), 1) if recent else None,
        }

"""Changes of a source's state, as typed events for a callback."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Literal, TypeAlias

from streamseg.errors import StreamsegError

logger = logging.getLogger(__name__)

State: TypeAlias = Literal["connecting", "live", "lost", "reconnecting", "ended"]


@dataclass(frozen=True)
class StreamEvent:
    """A source has changed its state.

    ``connecting`` → ``live`` → ``ended``. Cameras and network streams that are lost also have
    ``lost`` → ``reconnecting`` (once per attempt) → ``live``.
    """

    source: str
    """Name of the source, passwords masked; as in ``FrameResult.source``."""
    source_index: int
    """Index of the source in the stream, from 0."""
    state: State
    reason: str = ""
    """Human-readable reason of a loss or an end."""
    attempt: int = 0
    """While reconnecting: number of the attempt, from 1."""
    error: StreamsegError | None = None
    """The error that ended it; None for the regular end."""


OnEvent: TypeAlias = Callable[[StreamEvent], None]


class StreamEvents:
    """Calls the listeners of a stream with the events of all its sources, in their threads."""

    def __init__(self, on_event: OnEvent | None = None) -> None:
        """Start with one listener, or none."""
        self._lock = Lock()
        self._listeners = [on_event] if on_event else []
        self._latest: dict[int, StreamEvent] = {}
        self._to_forget: set[int] = set()

    def tell(self, event: StreamEvent) -> None:
        """Call every listener with one event."""
        with self._lock:
            if event.source_index not in self._to_forget:
                self._latest[event.source_index] = event
            elif event.state == "ended":
                self._to_forget.remove(event.source_index)
            listeners = self._listeners
        for on_event in listeners:
            on_event(event)

    def listen(self, on_event: OnEvent) -> list[StreamEvent]:
        """Add a listener.

        Returns:
            The latest event of each source so far.
        """
        with self._lock:
            self._listeners = [*self._listeners, on_event]
            return list(self._latest.values())

    def forget(self, source_index: int, *, has_ended: bool) -> None:
        """Forget the latest event of a removed source.

        Args:
            source_index: see ``StreamEvent``.
            has_ended: whether the event of its end was sent. If not, the remaining events are still
                sent, but not stored.
        """
        with self._lock:
            latest = self._latest.pop(source_index, None)
            if not has_ended and (latest is None or latest.state != "ended"):
                self._to_forget.add(source_index)


class Announcer:
    """Sends the events of one source to a callback, and logs losses and errors."""

    def __init__(self, source: str, source_index: int = 0, on_event: OnEvent | None = None) -> None:
        """Set the callback.

        Args:
            source: name of the source.
            source_index: see ``StreamEvent``.
            on_event: called in the thread of the source; it should return quickly.
        """
        self.source = source
        self._source_index = source_index
        self._on_event = on_event
        self._was_lost = False

    def __call__(
        self,
        state: State,
        reason: str = "",
        *,
        attempt: int = 0,
        error: StreamsegError | None = None,
    ) -> None:
        """Send one event."""
        if state == "lost":
            logger.warning("%s: lost: %s", self.source, reason)
        elif state == "live" and self._was_lost:
            logger.warning("%s: live again", self.source)
        elif error is not None:
            logger.warning("%s: ended: %s", self.source, reason)
        if state in ("lost", "live"):
            self._was_lost = state == "lost"
        if self._on_event is not None:
            event = StreamEvent(self.source, self._source_index, state, reason, attempt, error)
            self._on_event(event)

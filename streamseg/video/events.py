"""What happens to a source while it is read: typed, and told to a callback as it happens."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from streamseg.errors import StreamsegError

logger = logging.getLogger(__name__)

State: TypeAlias = Literal["connecting", "live", "lost", "reconnecting", "ended"]


@dataclass(frozen=True)
class StreamEvent:
    """A source has changed its state.

    ``connecting`` → ``live`` → ``ended``, and for cameras and network streams, as often as need
    be, ``lost`` → ``reconnecting`` (once for each try) → ``live``.
    """

    source: str
    """What it is, passwords masked; as in ``FrameResult.source``."""
    source_index: int
    """Its place among the sources of the stream, from 0."""
    state: State
    reason: str = ""
    """Why, for people: what was lost, or what made it end."""
    attempt: int = 0
    """While reconnecting: the number of this try, from 1."""
    error: StreamsegError | None = None
    """What ended it; None for the regular end."""


OnEvent: TypeAlias = Callable[[StreamEvent], None]


class Announcer:
    """Tells the events of one source, and logs those that a person should know of."""

    def __init__(self, source: str, source_index: int = 0, on_event: OnEvent | None = None) -> None:
        """Know whom to tell.

        Args:
            source: description of the source.
            source_index: its place.
            on_event: called in the source's own thread: it should be quick.
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
        """Tell one event."""
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

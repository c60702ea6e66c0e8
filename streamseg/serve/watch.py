"""Wake viewers, which wait in event loops, from the threads of a stream."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import Final

import anyio

from streamseg.video.events import StreamEvent

MOST_WAITING_EVENTS: Final = 100
"""Events that a slow viewer has not taken yet; older ones are dropped."""


class Watch:
    """Wakes one viewer after each change; belongs to the viewer's event loop."""

    def __init__(self) -> None:
        """Start awake, so that the viewer looks at what is there already."""
        self.events: deque[StreamEvent] = deque(maxlen=MOST_WAITING_EVENTS)
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._changed.set()
        self._is_due = True

    def wake(self) -> None:
        """Wake the viewer; may be called from any thread."""
        if self._is_due:
            return
        self._is_due = True
        with suppress(RuntimeError):  # the loop is closed, and the viewer gone with it
            self._loop.call_soon_threadsafe(self._changed.set)

    async def changed(self, timeout_seconds: float | None = None) -> None:
        """Wait for the next change, or until the timeout."""
        with anyio.move_on_after(timeout_seconds) as scope:
            await self._changed.wait()
        if scope.cancelled_caught:
            return
        self._changed.clear()
        # reset before the viewer looks: a later change wakes it again
        self._is_due = False

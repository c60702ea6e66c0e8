"""What is in flight in the memory of a slot."""

from __future__ import annotations

from collections.abc import Callable

from streamseg.results import Segments

Fetched = tuple[Segments, float, float]
"""See ``Pending.fetch``."""


class SlotPending:
    """A ``Pending`` that keeps its segments once they are fetched.

    A runtime fetches it before it uses the slot's memory again: streams that share a runtime have
    more frames in flight together than there are slots.
    """

    def __init__(self, read: Callable[[], Fetched]) -> None:
        """``read`` waits for the device, and copies the segments."""
        self._read = read
        self._fetched: Fetched | None = None

    def fetch(self) -> Fetched:
        """Wait for the segments; see ``Pending``."""
        if self._fetched is None:
            self._fetched = self._read()
        return self._fetched

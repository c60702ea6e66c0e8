"""How many frames viewers are shown: fewer while the network has no time to spare."""

from __future__ import annotations

from collections import deque
from typing import Final

WINDOW_SECONDS: Final = 2.0
BUSY_SHARE: Final = 0.85
"""Share of time in which preprocessing or the network runs; above it, fewer images are shown."""
FREE_SHARE: Final = 0.7
"""Below this share every image is shown again."""
BUSY_IMAGES: Final = 6
"""Images per second of all sources together while the network is busy. Encoding them, and a browser
on the same machine that draws them, take the CPU from the network."""


class Pace:
    """Says which frames are shown. Times are in seconds, those of one clock."""

    def __init__(self) -> None:
        """Start with every frame."""
        self._recent: deque[tuple[float, float]] = deque()
        """When each result came, and for how long the network had run."""
        self._network_seconds = 0.0
        self._is_busy = False
        self._due: dict[int, float] = {}

    def shows(self, source_index: int, now: float, network_seconds: float, sources: int) -> bool:
        """Count a result, and say whether viewers are shown its image.

        Args:
            source_index: whose result it is.
            now: when it came.
            network_seconds: for how long its preprocessing and the network ran.
            sources: how many there are.
        """
        self._count(now, network_seconds)
        if self._is_busy and now < self._due.get(source_index, now):
            return False
        self._due[source_index] = now + sources / BUSY_IMAGES
        return True

    def forget(self, source_index: int) -> None:
        """Leave a source out from now on."""
        self._due.pop(source_index, None)

    def _count(self, now: float, network_seconds: float) -> None:
        self._recent.append((now, network_seconds))
        self._network_seconds += network_seconds
        while now - self._recent[0][0] > WINDOW_SECONDS:
            self._network_seconds -= self._recent.popleft()[1]
        first, seconds_of_first = self._recent[0]
        if now > first:
            share = (self._network_seconds - seconds_of_first) / (now - first)
            self._is_busy = share > (FREE_SHARE if self._is_busy else BUSY_SHARE)

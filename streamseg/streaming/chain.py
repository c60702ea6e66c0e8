"""What a stream asks of those who segment its frames and use its results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from streamseg.results import Frame, FrameResult
from streamseg.tracking import Tracker

OnResult: TypeAlias = Callable[[FrameResult], object]
"""Called with each result; what it returns is ignored."""


class Finish(Protocol):
    """Gives the result of a frame whose segmentation was begun."""

    def __call__(self, tracker: Tracker) -> FrameResult:
        """Wait for it, and name its instances."""
        ...


@dataclass(frozen=True)
class Chain:
    """What a stream does with each frame; one may be begun before the last one is finished."""

    begin: Callable[[Frame, int, float], Finish]
    """Takes a frame, the number dropped before it, and the ms that decoding took."""
    new_tracker: Callable[[], Tracker]
    wait_until_free: Callable[[], None]
    """Waits until a frame would not lie about after it was begun."""
    close: Callable[[], None]
    """Ends what works on frames that were begun; more may come by, when another thread closes."""

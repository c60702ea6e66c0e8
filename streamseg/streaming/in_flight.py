"""Frames in flight: submitted to a pipeline, and not yet finished."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

from streamseg.frame import Frame
from streamseg.runtime.base import Pending
from streamseg.tracking import Tracker


@dataclass(frozen=True)
class InFlight:
    """A frame in flight."""

    frame: Frame
    pending: Pending
    tracker: Tracker
    """The tracker of the frame's source."""
    timings_ms: dict[str, float]
    """Milliseconds of ``decode``, and of ``preprocess`` after ``pending.fetch``."""
    dropped: int = 0
    """Number of frames of the source that were dropped just before this one."""
    source: str = ""
    source_index: int = 0


class InFlightQueue:
    """The frames in flight of a stream, oldest first; callers hold the stream's condition."""

    def __init__(self) -> None:
        """Start empty."""
        self._frames: deque[InFlight] = deque()

    def __len__(self) -> int:
        """Number of frames in flight."""
        return len(self._frames)

    def append(self, in_flight: InFlight) -> None:
        """Add the newest frame."""
        self._frames.append(in_flight)

    def take(self) -> InFlight | None:
        """Take the oldest frame; None if there is none."""
        return self._frames.popleft() if self._frames else None

    def clear(self) -> None:
        """Forget all frames; their results are not fetched."""
        self._frames.clear()

    def discard(self, source_index: int, most: int | None = None) -> tuple[int, int]:
        """Forget frames of a source, oldest first.

        Args:
            source_index: of the source.
            most: at most this number of frames; all if None.

        Returns:
            Number of frames that were forgotten, and what must be added to ``dropped`` of the
            source's next frame. It is 0 if a frame of the source is still in flight: that one has
            been told.
        """
        frames, self._frames = self._frames, deque()
        count = dropped = 0
        for in_flight in frames:
            if in_flight.source_index != source_index:
                self._frames.append(in_flight)
            elif most is None or count < most:
                count += 1
                dropped += 1 + in_flight.dropped
            else:
                self._frames.append(replace(in_flight, dropped=dropped + in_flight.dropped))
                dropped = 0
        return count, dropped

"""A chunk: a part of a long recording that is read on its own."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple


class Chunk(NamedTuple):
    """The frames of a recording from one time to another; ``splitting.split`` makes them.

    The times ``start``, ``stop`` and ``decode_from`` are timestamps of a video in units of its time
    base, or log times of a drive recording in ns.
    """

    number: int
    """Position in the recording, from 0."""
    start: int | None
    """Time of the first frame; None is the beginning of the recording."""
    stop: int | None
    """Time after the last frame; None is the end of the recording."""
    decode_from: int | None
    """Key frame of a video to decode from, at or before ``start``; None is the beginning."""
    start_seconds: float
    """Time of the first frame, from the beginning of the recording."""
    stop_seconds: float
    """Time after the last frame, from the beginning of the recording."""
    frame_count: int | None = None
    """None if it is not known."""

    def __str__(self) -> str:
        """From when to when.

        >>> str(Chunk(1, 5400, 10800, 5400, 60.0, 120.0))
        '0:01:00 to 0:02:00'
        """
        start, stop = (
            timedelta(seconds=round(seconds)) for seconds in (self.start_seconds, self.stop_seconds)
        )
        return f"{start} to {stop}"

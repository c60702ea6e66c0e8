"""Presentation times of a stream: the media's own, corrected where they do not rise."""

from __future__ import annotations

from fractions import Fraction

RESTART_SECONDS = 1.0
"""A larger step back is a new recording in the same stream; a smaller one is a glitch."""


class PresentationClock:
    """Turns the timestamps of one stream into seconds that rise strictly.

    - A timestamp is multiplied by the time base; gaps and variable frame rates stay.
    - A missing one continues from the frame before by that frame's nominal duration.
    - One that does not rise is a glitch and is replaced by the smallest possible step; the frames
      after it keep their times.
    - One that falls by more than a second starts a new recording (looped or concatenated
      streams): it and all later ones are shifted behind the frame before.

    >>> clock = PresentationClock(Fraction(1, 10))
    >>> [round(clock.seconds(pts, 0.1), 3) for pts in (0, 1, None, 5)]
    [0.0, 0.1, 0.2, 0.5]

    Args:
        time_base: unit of the timestamps in seconds.
        from_zero: count from the first frame; for cameras, whose own origin is arbitrary
            (up-time, time of day).
    """

    def __init__(self, time_base: Fraction, *, from_zero: bool = False) -> None:
        """Start before the first frame."""
        self._time_base = time_base
        self._from_zero = from_zero
        self._shift_seconds = 0.0
        self._latest_seconds: float | None = None
        self._latest_duration_seconds = 0.0

    def seconds(self, pts: int | None, duration_seconds: float) -> float:
        """Return the presentation time of the next frame in seconds.

        Args:
            pts: timestamp in units of the time base; None if the media has none.
            duration_seconds: nominal duration of this frame, above 0.
        """
        if self._latest_seconds is None:
            seconds = self._first(pts)
        else:
            expected = self._latest_seconds + self._latest_duration_seconds
            seconds = expected if pts is None else self._rising(pts, self._latest_seconds, expected)
        self._latest_seconds = seconds
        self._latest_duration_seconds = duration_seconds
        return seconds

    def _first(self, pts: int | None) -> float:
        if pts is None:
            return 0.0
        seconds = float(pts * self._time_base)
        if self._from_zero:
            self._shift_seconds = -seconds
            return 0.0
        return seconds

    def _rising(self, pts: int, latest: float, expected: float) -> float:
        seconds = float(pts * self._time_base) + self._shift_seconds
        if seconds > latest:
            return seconds
        if latest - seconds > RESTART_SECONDS:
            self._shift_seconds += expected - seconds
            return expected
        return latest + float(self._time_base)

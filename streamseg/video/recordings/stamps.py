"""Count irregular time stamps of a camera."""

from __future__ import annotations

from streamseg.frame import NS_PER_SECOND

# A gap is longer than this, and than several usual steps.
_GAP_SECONDS = 1.0
_GAP_STEPS = 5
_DEFAULT_SECONDS = 1 / 25


class Stamps:
    """Counts stamps that jump back or repeat, and gaps between images."""

    def __init__(self) -> None:
        """Start before the first stamp."""
        self._latest_ns: int | None = None
        self._steps = 0
        self._sum_seconds = 0.0
        self._jumps_back = self._repeated = self._gaps = 0
        self._longest_gap_seconds = 0.0

    @property
    def mean_seconds(self) -> float:
        """Mean time between two images so far, without gaps and jumps."""
        return self._sum_seconds / self._steps if self._steps else _DEFAULT_SECONDS

    def note(self, stamp_ns: int) -> None:
        """Count one stamp."""
        latest_ns, self._latest_ns = self._latest_ns, stamp_ns
        if latest_ns is None:
            return
        seconds = (stamp_ns - latest_ns) / NS_PER_SECOND
        if seconds < 0:
            self._jumps_back += 1
        elif seconds == 0:
            self._repeated += 1
        elif self._steps and seconds > max(_GAP_SECONDS, _GAP_STEPS * self.mean_seconds):
            self._gaps += 1
            self._longest_gap_seconds = max(self._longest_gap_seconds, seconds)
        else:
            self._steps += 1
            self._sum_seconds += seconds

    def report(self) -> list[str]:
        """What was counted, for a message; empty if every stamp was regular."""
        found = []
        if self._jumps_back:
            found.append(f"stamps that jump back: {self._jumps_back}")
        if self._repeated:
            found.append(f"repeated stamps: {self._repeated}")
        if self._gaps:
            found.append(f"gaps: {self._gaps} (longest {self._longest_gap_seconds:.1f} s)")
        return found

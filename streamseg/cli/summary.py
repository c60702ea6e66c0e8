"""What a run saw, and how fast."""

from __future__ import annotations

import time
from collections import Counter

import numpy as np

from streamseg.results import FrameResult

LATEST = 1000
"""Frames over which latencies are summed up: memory stays flat on a camera."""


class Summary:
    """Counts frames and names, and keeps the latencies of the latest frames."""

    def __init__(self) -> None:
        """Start the clock."""
        self.frames = 0
        self.dropped = 0
        self.skipped = 0
        self.stopped = False
        self.latest_instances = 0
        self.frames_of_name: Counter[str] = Counter()
        self._timings: dict[str, list[float]] = {}
        self._started = time.perf_counter()
        self._seconds = 0.0

    def add(self, result: FrameResult) -> None:
        """Count one frame."""
        self.frames += 1
        self.dropped += result.dropped
        self.latest_instances = len(result.instances)
        self.frames_of_name.update(instance.name for instance in result.instances)
        for stage, spent_ms in result.timings_ms.items():
            latest = self._timings.setdefault(stage, [])
            latest.append(spent_ms)
            del latest[:-LATEST]
        self._seconds = time.perf_counter() - self._started

    def fps(self) -> float:
        """Frames a second of wall-clock time, drawing and writing included."""
        return self.frames / max(self._seconds, 1e-9)

    def latency_ms(self) -> float:
        """Latest frame, all stages, without drawing and writing."""
        return sum(spent[-1] for spent in self._timings.values())

    def lines(self) -> list[str]:
        """Three lines for people: how much, what, how fast."""
        state = "stopped after" if self.stopped else "segmented"
        extra = f", {self.dropped} dropped" if self.dropped else ""
        extra += f", {self.skipped} unreadable" if self.skipped else ""
        return [
            f"{state} {self.frames} frames in {self._seconds:.1f} s{extra}",
            f"found {self._found()}",
            f"{self.fps():.1f} frames/s in all; the network and all around it "
            f"{1000 / max(self._median_total(), 1e-9):.1f} frames/s",
        ]

    def _found(self) -> str:
        """``car ×12, person ×2; in most frames: car-1 (221), ...``."""
        if not self.frames_of_name:
            return "no objects"
        classes = Counter(name.rpartition("-")[0] for name in self.frames_of_name)
        counts = [f"{name} ×{count}" for name, count in classes.most_common()]
        longest = [f"{name} ({count})" for name, count in self.frames_of_name.most_common(3)]
        return f"{', '.join(counts)}; in most frames: {', '.join(longest)}"

    def stage_table(self) -> str:
        """Median and 95th percentile of each stage, in milliseconds."""
        rows = [f"{'stage':<12}{'median ms':>10}{'p95 ms':>10}{'share':>8}"]
        total = self._median_total()
        for stage, spent in self._timings.items():
            median, high = np.percentile(spent, (50, 95))
            share = median / max(total, 1e-9)
            rows.append(f"{stage:<12}{median:>10.1f}{high:>10.1f}{share:>8.0%}")
        return "\n".join(rows)

    def _median_total(self) -> float:
        return sum(float(np.median(spent)) for spent in self._timings.values())

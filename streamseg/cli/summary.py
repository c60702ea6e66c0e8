"""The summary of a run: what was found, and how fast."""

from __future__ import annotations

import time
from collections import Counter

import numpy as np

from streamseg.results import FrameResult
from streamseg.video.events import State, StreamEvent

LATEST = 1000
"""Frames whose latencies are kept, so that memory stays flat on a camera."""
MOST_NAMES = 10_000
"""Names that are counted; if there are more, those in the fewest frames are forgotten."""


class Summary:
    """Counts frames and names, and keeps the latencies of the latest frames."""

    def __init__(self, *, counts_all: bool = False) -> None:
        """Start the clock; ``counts_all`` also counts instances that are not confirmed."""
        self._counts_all = counts_all
        self._any_unconfirmed = False
        self.frames = 0
        self.dropped = 0
        self.skipped = 0
        self.stopped = False
        self.latest_instances = 0
        self.frames_of_object: Counter[tuple[int, str]] = Counter()
        """By index of the source and name: each source has names of its own."""
        self.names_of_class: Counter[str] = Counter()
        self.failed: dict[int, str] = {}
        """The errors that sources ended with, by index of the source."""
        self._states: dict[int, tuple[str, State, int]] = {}
        self._timings: dict[str, list[float]] = {}
        self._latencies_ms: list[float] = []
        self._started = time.perf_counter()
        self._seconds = 0.0

    def add(self, result: FrameResult) -> None:
        """Count one frame."""
        self.frames += 1
        self.dropped += result.dropped
        instances = result.instances if self._counts_all else result.confirmed
        self._any_unconfirmed |= len(instances) < len(result.instances)
        self.latest_instances = len(instances)
        for instance in instances:
            seen = (result.source_index, instance.name)
            if seen not in self.frames_of_object:
                self.names_of_class[instance.class_name] += 1
            self.frames_of_object[seen] += 1
        if len(self.frames_of_object) > MOST_NAMES:
            longest = self.frames_of_object.most_common(MOST_NAMES // 2)
            self.frames_of_object = Counter(dict(longest))
        self._latencies_ms.append(result.latency_ms)
        del self._latencies_ms[:-LATEST]
        for stage, spent_ms in result.timings_ms.items():
            latest = self._timings.setdefault(stage, [])
            latest.append(spent_ms)
            del latest[:-LATEST]
        self._seconds = time.perf_counter() - self._started

    def note(self, event: StreamEvent) -> None:
        """Remember the state of a source; may be called from any thread."""
        self._states[event.source_index] = (event.source, event.state, event.attempt)
        if event.error is not None:
            self.failed[event.source_index] = event.reason

    def status(self) -> str:
        """One line: speed, latency, instances, and sources that give no images now."""
        parts = []
        if self.frames:
            parts.append(f"{self.fps():.1f} fps, {self._latencies_ms[-1]:.0f} ms")
            parts.append(f"{self.latest_instances} instances")
        for source, state, attempt in list(self._states.values()):
            if state != "live":
                parts.append(f"{source} {state}" + (f" (try {attempt})" if attempt else ""))
        return ", ".join(parts)

    def fps(self) -> float:
        """Frames per second of wall-clock time, drawing and writing included."""
        return self.frames / max(self._seconds, 1e-9)

    def lines(self) -> list[str]:
        """A few lines to print: frames, objects, speed, and sources that failed."""
        state = "stopped after" if self.stopped else "segmented"
        extra = f", {self.dropped} dropped" if self.dropped else ""
        extra += f", {self.skipped} unreadable" if self.skipped else ""
        lines = [
            f"{state} {self.frames} frames in {self._seconds:.1f} s{extra}",
            f"found {self._found()}",
            f"{self.fps():.1f} frames/s, decoding to writing",
        ]
        if self._latencies_ms:
            median, high, highest = np.percentile(self._latencies_ms, (50, 95, 99))
            lines.append(
                f"from a frame's arrival to its result: median {median:.0f} ms, "
                f"p95 {high:.0f} ms, p99 {highest:.0f} ms"
            )
        return lines + [f"failed: {reason}" for reason in self.failed.values()]

    def _found(self) -> str:
        """Count objects: ``car ×12, person ×2; confirmed longest, in frames: car-1 (221), ...``.

        With several sources the index of the source is before the name: ``0: car-1 (221)``.
        """
        if not self.frames_of_object:
            if self._any_unconfirmed:
                return "no confirmed objects; --draw all counts those that may be false"
            return "no objects"
        counts = [f"{name} ×{count}" for name, count in self.names_of_class.most_common()]
        several = len({source for source, _ in self.frames_of_object}) > 1
        longest = [
            f"{source}: {name} ({count})" if several else f"{name} ({count})"
            for (source, name), count in self.frames_of_object.most_common(3)
        ]
        how = "seen" if self._counts_all else "confirmed"
        return f"{', '.join(counts)}; {how} longest, in frames: {', '.join(longest)}"

    def stage_table(self) -> str:
        """A table: median and 95th percentile of each stage, in ms; stages of frames overlap."""
        rows = [f"{'stage':<12}{'median ms':>10}{'p95 ms':>10}{'share':>8}"]
        total = sum(float(np.median(spent)) for spent in self._timings.values())
        for stage, spent in self._timings.items():
            median, high = np.percentile(spent, (50, 95))
            share = median / max(total, 1e-9)
            rows.append(f"{stage:<12}{median:>10.1f}{high:>10.1f}{share:>8.0%}")
        return "\n".join(rows)

"""Does a stream stay the same for ever: memory, threads, open files, latency over many frames."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from streamseg.errors import InputError, MissingExtraError
from streamseg.lanes import SourceLike
from streamseg.segmenter import Segmenter

SAMPLES: Final = 100
"""Looks at the process in a whole run."""
WARM_UP: Final = 0.2
"""Part of a run in which memory may still grow: buffers fill, libraries start."""
MOST_GROWTH_MB: Final = 5.0
MOST_SLOWDOWN: Final = 1.5
"""Of the last quarter's median latency against that of the quarter after warm-up: machines have
moods, and a queue that fills grows far beyond."""


@dataclass(frozen=True)
class Sample:
    """The process at one time."""

    frame: int
    rss_mb: float
    threads: int
    files: int
    """Open file descriptors."""
    latency_ms: float
    """Median of the frames since the sample before."""


@dataclass(frozen=True)
class SoakReport:
    """What became of a process."""

    samples: tuple[Sample, ...]

    @property
    def growth_mb(self) -> float:
        """Memory at the end, against the largest just after warm-up."""
        settled = self._settled
        first = settled[: max(1, len(settled) // 4)]
        return settled[-1].rss_mb - max(sample.rss_mb for sample in first)

    @property
    def slowdown(self) -> float:
        """Latency of the last quarter as a multiple of that after warm-up."""
        quarter = max(1, len(self._settled) // 4)
        first, last = self._settled[:quarter], self._settled[-quarter:]
        before, after = (np.median([s.latency_ms for s in part]) for part in (first, last))
        return float(after / max(before, 1e-9))

    def complaints(self) -> list[str]:
        """What is not as it must be, each in a line; empty if all is well."""
        found = []
        if self.growth_mb > MOST_GROWTH_MB:
            found.append(f"memory grew by {self.growth_mb:.1f} MB; {MOST_GROWTH_MB:g} are allowed")
        for name in ("threads", "files"):
            counts = {getattr(sample, name) for sample in self._settled}
            if len(counts) > 1:
                found.append(f"{name} went from {min(counts)} to {max(counts)}")
        if self.slowdown > MOST_SLOWDOWN:
            found.append(f"frames take {self.slowdown:.1f} times as long as at the start")
        return found

    @property
    def _settled(self) -> tuple[Sample, ...]:
        return self.samples[int(WARM_UP * len(self.samples)) :]


def soak(segmenter: Segmenter, source: SourceLike, frames: int) -> Iterator[Sample]:
    """Segment a source and look at this process now and then.

    Args:
        segmenter: to be looked at.
        source: of at least so many frames.
        frames: to segment; at least ``SAMPLES``.

    Yields:
        ``SAMPLES`` looks, evenly spread; ``SoakReport`` judges them.

    Raises:
        InputError: too few frames, or the source has fewer.
        MissingExtraError: psutil is not installed.
        SourceError: the source cannot be read.
    """
    try:
        import psutil
    except ImportError as error:
        raise MissingExtraError("psutil", "soak") from error
    if frames < SAMPLES:
        raise InputError(f"a soak takes at least {SAMPLES} frames, got {frames}")
    process = psutil.Process()
    every = frames // SAMPLES
    latencies_ms = []
    results = segmenter.stream(source)
    try:
        before = time.perf_counter()
        for number in range(1, frames + 1):
            if next(results, None) is None:
                raise InputError(f"the source ended after {number - 1} of {frames} frames")
            now = time.perf_counter()
            latencies_ms.append(1e3 * (now - before))
            before = now
            if number % every == 0:
                gc.collect()  # what waits to be collected is no leak
                yield Sample(
                    frame=number,
                    rss_mb=process.memory_info().rss / 1e6,
                    threads=process.num_threads(),
                    files=process.num_fds() if hasattr(process, "num_fds") else 0,
                    latency_ms=float(np.median(latencies_ms)),
                )
                latencies_ms.clear()
                before = time.perf_counter()
    finally:
        results.close()


def plot(report: SoakReport) -> str:
    """The samples as an SVG picture, each quantity as a part of its largest value."""
    from streamseg.evaluate.charts import line_chart

    frames = [sample.frame for sample in report.samples]
    lines = {}
    for name, unit in (("rss_mb", "MB"), ("latency_ms", "ms"), ("threads", ""), ("files", "")):
        values = np.array([getattr(sample, name) for sample in report.samples], np.float64)
        label = f"{name.partition('_')[0]}, most {values.max():.0f} {unit}".strip()
        lines[label] = (frames, values / max(values.max(), 1e-9))
    return line_chart(
        lines,
        title="soak",
        x_label="frames",
        y_label="part of the largest",
        x_range=(0, frames[-1]),
        width=720,
        height=320,
    )

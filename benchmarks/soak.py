"""Check that a stream does not grow: memory, threads, open files, latency over many frames.

    python -m benchmarks.soak --frames 100000 --out soak

The exit status is 1 if anything grew.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np

from streamseg.cli.arguments import image_size, positive
from streamseg.cli.main import run_command
from streamseg.errors import InputError, MissingExtraError
from streamseg.segmenter import Segmenter
from streamseg.streaming.sources import SourceLike

ENDLESS_PATTERN: Final = "test-pattern:320x240?frames=999999999"
SAMPLES: Final = 100
"""Samples of the process in a whole run."""
WARM_UP: Final = 0.2
"""Share of a run in which memory may still grow: buffers fill, libraries are loaded."""
MOST_GROWTH_MB: Final = 5.0
MOST_SLOWDOWN: Final = 1.5
"""Median latency of the last quarter relative to that of the quarter after warm-up. Loose, because
the load of a machine changes; a queue that fills grows far beyond."""


@dataclass(frozen=True)
class Sample:
    """The state of the process at one time."""

    frame: int
    rss_mb: float
    threads: int
    files: int
    """Open file descriptors."""
    latency_ms: float
    """Median of the frames since the sample before."""


@dataclass(frozen=True)
class SoakReport:
    """All samples of a run, and what grew."""

    samples: tuple[Sample, ...]

    @property
    def growth_mb(self) -> float:
        """Memory at the end minus the largest value just after warm-up."""
        settled = self._settled
        first = settled[: max(1, len(settled) // 4)]
        return settled[-1].rss_mb - max(sample.rss_mb for sample in first)

    @property
    def slowdown(self) -> float:
        """Latency of the last quarter divided by that after warm-up."""
        quarter = max(1, len(self._settled) // 4)
        first, last = self._settled[:quarter], self._settled[-quarter:]
        before, after = (np.median([s.latency_ms for s in part]) for part in (first, last))
        return float(after / max(before, 1e-9))

    def complaints(self) -> list[str]:
        """What grew, one line each; empty if nothing did."""
        found = []
        if self.growth_mb > MOST_GROWTH_MB:
            found.append(f"memory grew by {self.growth_mb:.1f} MB; the limit is {MOST_GROWTH_MB:g}")
        for name in ("threads", "files"):
            counts = {getattr(sample, name) for sample in self._settled}
            if len(counts) > 1:
                found.append(f"{name} went from {min(counts)} to {max(counts)}")
        if self.slowdown > MOST_SLOWDOWN:
            found.append(f"a frame takes {self.slowdown:.1f} times as long as at the start")
        return found

    @property
    def _settled(self) -> tuple[Sample, ...]:
        return self.samples[int(WARM_UP * len(self.samples)) :]


def soak(segmenter: Segmenter, source: SourceLike, frames: int) -> Iterator[Sample]:
    """Segment a source, and sample this process.

    Args:
        segmenter: to test.
        source: has at least ``frames`` frames.
        frames: to segment; at least ``SAMPLES``.

    Yields:
        ``SAMPLES`` samples, evenly spread.

    Raises:
        InputError: too few frames, or the source has fewer.
        MissingExtraError: psutil is not installed.
        SourceError: the source cannot be read.
    """
    try:
        import psutil
    except ImportError as error:
        raise MissingExtraError("psutil", "dev") from error
    if frames < SAMPLES:
        raise InputError(f"a soak needs at least {SAMPLES} frames, got {frames}")
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
                gc.collect()  # garbage that is not collected yet is not a leak
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
    """Plot the samples as SVG, each quantity relative to its largest value."""
    from streamseg.evaluate.report.charts import line_chart

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
        y_label="share of the largest value",
        x_range=(0, frames[-1]),
        width=720,
        height=320,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="run for long and check that nothing grows")
    parser.add_argument(
        "source", nargs="?", default=ENDLESS_PATTERN, metavar="SOURCE", help="(a test pattern)"
    )
    parser.add_argument("--frames", type=positive, default=10_000, metavar="N", help="(10000)")
    parser.add_argument("--model", type=Path, metavar="PATH", help="(the shipped one)")
    parser.add_argument(
        "--size",
        type=image_size,
        default=(128, 96),
        metavar="WxH",
        help="network input; small, so that frames are fast (128x96)",
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="folder for soak.jsonl and the plot soak.svg"
    )
    parser.set_defaults(run=run)
    return run_command(parser.parse_args(arguments))


def run(arguments: argparse.Namespace) -> int:
    """Soak; 1 if anything grew."""
    from streamseg.cli.progress import stage_progress
    from streamseg.evaluate.report.page import make_folder
    from streamseg.formats.writer import saving
    from streamseg.loading import load

    if arguments.out:
        make_folder(arguments.out)
    samples = []
    with load(arguments.model, size=arguments.size) as segmenter, stage_progress() as progress:
        for sample in soak(segmenter, arguments.source, arguments.frames):
            samples.append(sample)
            progress("soak", len(samples) / SAMPLES)
    report = SoakReport(tuple(samples))
    if arguments.out:
        lines = "".join(json.dumps(asdict(sample)) + "\n" for sample in samples)
        for name, text in (("soak.jsonl", lines), ("soak.svg", plot(report))):
            with saving(arguments.out / name):
                (arguments.out / name).write_text(text)
        print(f"wrote {arguments.out / 'soak.jsonl'} and soak.svg", file=sys.stderr)
    last = samples[-1]
    print(
        f"{last.frame} frames: memory {last.rss_mb:.0f} MB, {report.growth_mb:+.1f} MB after "
        f"warm-up; {last.threads} threads, {last.files} open files; latency "
        f"{report.slowdown:.2f} times that of the start"
    )
    for complaint in report.complaints():
        print(complaint)
    return 1 if report.complaints() else 0


if __name__ == "__main__":
    sys.exit(main())

"""``streamseg soak``: run for long, and watch whether anything grows."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from streamseg.cli.arguments import picture_size, positive

if TYPE_CHECKING:
    from argparse import _SubParsersAction

ENDLESS_PATTERN = "test-pattern:320x240?frames=1000000000"


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "soak", help="run for long and watch memory, threads, open files and latency"
    )
    parser.add_argument(
        "source", nargs="?", default=ENDLESS_PATTERN, metavar="SOURCE", help="(a test pattern)"
    )
    parser.add_argument("--frames", type=positive, default=10_000, metavar="N", help="(10000)")
    parser.add_argument("--model", type=Path, metavar="PATH", help="the shipped one by default")
    parser.add_argument(
        "--size",
        type=picture_size,
        default=(128, 96),
        metavar="WxH",
        help="network input; small, so that frames are many (128x96)",
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="folder for soak.jsonl and the plot soak.svg"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Soak; 1 if anything grew."""
    from streamseg.cli.progress import stage_progress
    from streamseg.evaluate.page import make_folder
    from streamseg.formats.writer import saving
    from streamseg.loading import load
    from streamseg.soak import SAMPLES, SoakReport, plot, soak

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

"""``streamseg run``: segment videos, cameras or images, and write the results."""

from __future__ import annotations

import argparse
import signal
import sys
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from streamseg.cli.arguments import output, positive
from streamseg.cli.outputs import Outputs
from streamseg.cli.stream_options import (
    add_live_options,
    add_model_options,
    add_topic_option,
    load_segmenter,
    source_options,
)
from streamseg.cli.summary import Summary
from streamseg.formats.opening import FORMATS
from streamseg.interrupts import STOPPED
from streamseg.video.options import CPU
from streamseg.video.recordings.paths import with_topics

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from streamseg.streaming.stream import Stream

DESCRIPTION = """\
Segment a video: find every object in every frame, with its mask, class, score and a name that
stays the same.

SOURCE is a video file, an image, a folder or quoted glob of images, an MCAP file or ROS bag, a
camera (0, 1, ... or /dev/video0), a URL (rtsp://, http://, ...) or test-pattern: for a synthetic
camera. Frames of several sources are taken in turn, and the names of output files are numbered."""


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "run",
        help="segment a video, camera or folder of images",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", metavar="SOURCE", nargs="+")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="annotated video: .mp4, .mkv or .mov"
    )
    parser.add_argument(
        "--draw",
        choices=("confirmed", "all"),
        default="confirmed",
        help="what the annotated video and the counts show of a video: confirmed tracks only "
        "(default), or all instances, with those that may be false",
    )
    parser.add_argument(
        "--zero-start",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="begin the annotated video at 0 s (default), or at the time of the source's clock; "
        "times in results are always those of the source",
    )
    parser.add_argument(
        "--jsonl", metavar="FILE", help="one JSON object per frame, masks as COCO RLE; - for stdout"
    )
    parser.add_argument(
        "--save",
        type=output,
        action="append",
        default=[],
        metavar="FORMAT:PATH",
        help="results in a format of other tools, as coco:results.json; may be given several "
        "times; formats: " + ", ".join(FORMATS),
    )
    add_model_options(parser)
    add_topic_option(parser)
    parser.add_argument(
        "--frames",
        type=positive,
        metavar="N",
        help="stop after this many frames, of all sources together",
    )
    live = parser.add_argument_group("cameras and network streams")
    add_live_options(live)
    live.add_argument(
        "--realtime", action="store_true", help="play a file at its own speed, like a camera"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Segment the sources."""
    sources = with_topics(arguments.source, arguments.topic)
    saves = [*arguments.save, *([("jsonl", arguments.jsonl)] if arguments.jsonl else [])]
    draws_all = arguments.draw == "all"
    outputs = Outputs(
        sources,
        out=arguments.out,
        saves=saves,
        draws_all=draws_all,
        zero_start=arguments.zero_start,
    )
    summary = Summary(counts_all=draws_all)
    with (
        load_segmenter(arguments) as segmenter,
        segmenter.stream(
            sources[0] if len(sources) == 1 else sources,
            policy=arguments.policy,
            options=source_options(arguments),
            on_event=summary.note,
        ) as results,
    ):
        outputs.class_names = segmenter.config.class_names
        what = f"{len(sources)} sources"
        if (source := results.opened) is not None:
            device = "" if source.hwaccel == CPU else f" decoded on {source.hwaccel}"
            what = f"{source.description}{device}"
        print(f"{what}, {segmenter.runtime.description}", file=sys.stderr)
        process(results, summary, outputs, frames=arguments.frames)
    print("\n".join(summary.lines()), file=sys.stderr)
    print(summary.stage_table(), file=sys.stderr)
    for place in outputs.places():
        print(f"wrote {place}", file=sys.stderr)
    return STOPPED if summary.stopped else int(bool(summary.failed))


def process(
    results: Stream, summary: Summary, outputs: Outputs, *, frames: int | None = None
) -> None:
    """Segment under a live progress line, and write the outputs.

    Ctrl-C ends it early: everything written so far is complete and readable. A second Ctrl-C,
    while cameras are being closed, kills the process.

    Raises:
        SourceError: the only source cannot be read any further.
        SinkError: an output cannot be written.
    """
    from streamseg.cli.progress import frame_progress

    expected = results.opened.frame_count if results.opened else None
    if frames is not None:
        expected = min(frames, expected or frames)
    on_interrupt = signal.getsignal(signal.SIGINT)
    try:
        with outputs, frame_progress(expected, summary) as show, results:
            if results.opened is not None:
                outputs.open(0, results.opened)
            try:
                for result in islice(results, frames):
                    outputs.write(result)
                    summary.add(result)
                    show()
            except KeyboardInterrupt:
                summary.stopped = True
                signal.signal(signal.SIGINT, signal.SIG_DFL)
            summary.skipped = results.skipped
    finally:
        if summary.stopped:
            signal.signal(signal.SIGINT, on_interrupt)

"""``streamseg run``: segment a video, watch it happen, keep the results."""

from __future__ import annotations

import argparse
import signal
import sys
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from streamseg.cli.arguments import (
    above_zero,
    any_size,
    class_list,
    image_size,
    output,
    positive,
    score,
    whole,
)
from streamseg.cli.outputs import Outputs
from streamseg.cli.summary import Summary
from streamseg.formats.opening import FORMATS
from streamseg.loading import RUNTIMES
from streamseg.video.options import CPU, SourceOptions
from streamseg.video.recordings.paths import with_topics

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from streamseg.streaming.stream import Stream

DESCRIPTION = """\
Segment a video: find every object in every frame, with its mask, class and a name that stays.

SOURCE is a video file, an image, a folder or quoted glob of images, an MCAP file or ROS bag, a
camera (0, 1, ... or /dev/video0), a URL (rtsp://, http://, ...) or test-pattern: for a synthetic
camera. Of several sources frames are taken in turn, and the names of output files are numbered."""


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
        help="in the annotated video and the counts of a video: only tracks that are surely no "
        "flicker (confirmed, default), or all",
    )
    parser.add_argument(
        "--zero-start",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="let the annotated video begin at 0 s (default), or where the source's clock does; "
        "times in results are always the source's",
    )
    parser.add_argument(
        "--jsonl", metavar="FILE", help="one JSON object a frame, masks as COCO RLE; - for stdout"
    )
    parser.add_argument(
        "--save",
        type=output,
        action="append",
        default=[],
        metavar="FORMAT:PATH",
        help="results in a format of other tools, as coco:results.json; give it once for each of "
        + ", ".join(FORMATS),
    )
    parser.add_argument(
        "--model",
        metavar="MODEL",
        help="an ONNX model, the folder of a release, or nano, the shipped model (default)",
    )
    parser.add_argument(
        "--size",
        type=image_size,
        metavar="WxH",
        help="network input, multiples of 32 (default: by the image's aspect)",
    )
    parser.add_argument(
        "--max-pixels",
        type=positive,
        metavar="N",
        help="most pixels of the network input; fewer are faster (the model's own choice)",
    )
    parser.add_argument(
        "--min-score",
        type=score,
        metavar="P",
        help="least score of an instance (default: the model's own for each class, else 0.5)",
    )
    parser.add_argument(
        "--classes",
        type=class_list,
        metavar="LIST",
        help="what to look for: coco, voc, or names, as car,person,traffic light (default: all "
        "that the model knows)",
    )
    parser.add_argument(
        "--threads", type=positive, metavar="N", help="CPU threads of the network (default: all)"
    )
    parser.add_argument(
        "--runtime", choices=RUNTIMES, default="auto", help="what runs the network (auto)"
    )
    parser.add_argument(
        "--hwaccel",
        default=CPU,
        metavar="KIND",
        help="what decodes video: none (the CPU, default), auto, or a kind of device that this "
        "build of FFmpeg has, as cuda or vaapi; streamseg doctor lists them",
    )
    parser.add_argument(
        "--stream",
        type=whole,
        metavar="N",
        help="which of several video streams, from 0 (the default one, else the largest)",
    )
    parser.add_argument(
        "--topic",
        action="append",
        default=[],
        metavar="NAME",
        help="camera topic of an MCAP file or ROS bag, as /camera/front; give it several times for "
        "several cameras (default: the only one; streamseg doctor FILE lists them)",
    )
    parser.add_argument("--frames", type=positive, metavar="N", help="stop after this many frames")
    _add_live_options(parser.add_argument_group("cameras and network streams"))
    parser.set_defaults(run=run)


def _add_live_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--policy",
        metavar="P",
        help="when frames come faster than they are done: latest (the default for cameras) drops "
        "and counts the older ones, all (for files) makes the source wait, every=N leaves out all "
        "but each N-th",
    )
    group.add_argument(
        "--live",
        action=argparse.BooleanOptionalAction,
        help="read a network stream like a camera, or like a file to its end (by whether the "
        "server states one)",
    )
    group.add_argument(
        "--realtime", action="store_true", help="play a file at its own pace, like a camera"
    )
    group.add_argument("--transport", choices=("tcp", "udp"), help="of RTSP (tcp, then udp)")
    group.add_argument(
        "--timeout",
        type=above_zero,
        default=10.0,
        metavar="SECONDS",
        help="longest wait for a connection or packet (10)",
    )
    group.add_argument(
        "--retries", type=whole, metavar="N", help="tries to reconnect after a loss (for ever)"
    )
    group.add_argument("--camera-size", type=any_size, metavar="WxH", help="as 1280x720")
    group.add_argument("--camera-rate", type=above_zero, metavar="FPS", help="as 30")
    group.add_argument("--camera-format", metavar="NAME", help="as mjpeg or yuyv422")


def run(arguments: argparse.Namespace) -> int:
    """Segment the sources."""
    from streamseg.loading import load

    options = SourceOptions(
        timeout_seconds=arguments.timeout,
        hwaccel=arguments.hwaccel,
        transport=arguments.transport,
        stream=arguments.stream,
        live=arguments.live,
        realtime=arguments.realtime,
        size=arguments.camera_size,
        rate=arguments.camera_rate,
        pixel_format=arguments.camera_format,
        retries=arguments.retries,
    )
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
        load(
            arguments.model,
            size=arguments.size,
            max_pixels=arguments.max_pixels,
            threads=arguments.threads,
            min_score=arguments.min_score,
            classes=arguments.classes,
            runtime=arguments.runtime,
        ) as segmenter,
        segmenter.stream(
            sources[0] if len(sources) == 1 else sources,
            policy=arguments.policy,
            options=options,
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
    return 130 if summary.stopped else int(bool(summary.failed))


def process(
    results: Stream, summary: Summary, outputs: Outputs, *, frames: int | None = None
) -> None:
    """Segment under a live progress line, writing what is asked for.

    Ctrl-C ends it early and in order: what was written so far is complete and readable. A second
    one, while cameras are being closed, kills the process.

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

"""``streamseg run``: segment a video, watch it happen, keep the results."""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from streamseg.cli.arguments import picture_size, positive, score
from streamseg.cli.summary import Summary
from streamseg.runtime.choose import RUNTIMES
from streamseg.video.options import CPU, SourceOptions

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from streamseg.segmenter import Segmenter
    from streamseg.video.base import Source

DESCRIPTION = """\
Segment a video: find every object in every frame, with its mask, class and a name that stays.

SOURCE is a video file, a picture, a folder or quoted glob of pictures, a camera (0, 1, ... or
/dev/video0), a URL (rtsp://, http://, ...) or test-pattern: for a synthetic camera."""


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "run",
        help="segment a video, camera or folder of pictures",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", metavar="SOURCE")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="annotated video: .mp4, .mkv or .mov"
    )
    parser.add_argument(
        "--jsonl", metavar="FILE", help="one JSON object a frame, masks as COCO RLE; - for stdout"
    )
    parser.add_argument(
        "--model",
        type=Path,
        metavar="PATH",
        help="an ONNX model or the folder of a release; the shipped model by default",
    )
    parser.add_argument(
        "--size",
        type=picture_size,
        metavar="WxH",
        help="network input, multiples of 32 (default: by the picture's aspect)",
    )
    parser.add_argument(
        "--max-pixels",
        type=positive,
        metavar="N",
        help="most pixels of the network input; fewer are faster (184320, as 576x320)",
    )
    parser.add_argument(
        "--min-score", type=score, default=0.5, metavar="P", help="least confidence (0.5)"
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
    parser.add_argument("--frames", type=positive, metavar="N", help="stop after this many frames")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Segment the source."""
    from streamseg.segmenter import load
    from streamseg.video.source import open_source

    with (
        load(
            arguments.model,
            size=arguments.size,
            max_pixels=arguments.max_pixels,
            threads=arguments.threads,
            min_score=arguments.min_score,
            runtime=arguments.runtime,
        ) as segmenter,
        open_source(arguments.source, SourceOptions(hwaccel=arguments.hwaccel)) as source,
    ):
        device = "" if source.hwaccel == CPU else f" decoded on {source.hwaccel}"
        print(f"{source.description}{device}, {segmenter.runtime.description}", file=sys.stderr)
        summary = process(
            segmenter,
            source,
            out=arguments.out,
            jsonl=arguments.jsonl,
            frames=arguments.frames,
        )
    print("\n".join(summary.lines()), file=sys.stderr)
    print(summary.stage_table(), file=sys.stderr)
    for path in (arguments.out, arguments.jsonl):
        if path and path != "-":
            print(f"wrote {path}", file=sys.stderr)
    return 130 if summary.stopped else 0


def process(
    segmenter: Segmenter,
    source: Source,
    *,
    out: Path | None = None,
    jsonl: str | Path | None = None,
    frames: int | None = None,
) -> Summary:
    """Segment a source under a live progress line, writing what is asked for.

    Ctrl-C ends it early and in order: what was written so far is complete and readable.

    Raises:
        SourceError: the source cannot be read any further.
        SinkError: an output cannot be written.
    """
    from streamseg.cli.progress import frame_progress
    from streamseg.drawing import draw
    from streamseg.formats.jsonl import JsonlWriter
    from streamseg.video.sink import VideoSink

    expected = source.frame_count
    if frames is not None:
        expected = min(frames, expected or frames)
    summary = Summary()
    with ExitStack() as stack:
        video = None
        if out is not None:
            video = stack.enter_context(
                VideoSink(
                    out,
                    source.width,
                    source.height,
                    time_base=source.time_base,
                    rate=source.average_rate,
                )
            )
        lines = stack.enter_context(JsonlWriter(jsonl)) if jsonl is not None else None
        show = stack.enter_context(frame_progress(expected))
        results = segmenter.stream(source)
        stack.callback(results.close)
        try:
            for result in islice(results, frames):
                if video is not None:
                    video.write(draw(result), result.pts_seconds)
                if lines is not None:
                    lines.write(result)
                summary.add(result)
                show(summary)
        except KeyboardInterrupt:
            summary.stopped = True
    summary.skipped = source.skipped
    return summary

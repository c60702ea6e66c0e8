"""``streamseg batch``: segment an archive of recordings on all cores, or on a cluster."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from streamseg.cli.arguments import above_zero, positive, whole
from streamseg.cli.stream_options import add_model_options, add_topic_option
from streamseg.formats.opening import ALL_FORMATS
from streamseg.video.options import SourceOptions

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from streamseg.batch import Progress

DESCRIPTION = """\
Segment many recordings on all cores of this machine, or on a Ray cluster.

SOURCE is a file, a folder, a quoted pattern ('archive/**/*.mp4'), a text file with a source on
each line, or a URL of an object store (s3://fleet/2026-11/). The results of each recording
appear in OUT/recording=NAME/ when they are complete. Run it again to go on: what is done with the
same content, model and options is skipped."""


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "batch",
        help="segment an archive of recordings, on one machine or a cluster",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", metavar="SOURCE", nargs="+")
    parser.add_argument("--out", required=True, metavar="OUT", help="folder or URL of the results")
    parser.add_argument(
        "--save",
        choices=ALL_FORMATS,
        action="append",
        metavar="FORMAT",
        help="what to write of each recording (parquet); give it once for each of "
        + ", ".join(ALL_FORMATS),
    )
    add_model_options(parser, threads=False)
    add_topic_option(parser)
    ray = parser.add_argument_group("workers")
    ray.add_argument(
        "--workers", type=positive, metavar="N", help="how many (as many as there is room for)"
    )
    ray.add_argument(
        "--cpus",
        type=above_zero,
        default=1.0,
        metavar="N",
        help="cores of each worker, and threads that it uses (1)",
    )
    ray.add_argument(
        "--gpus",
        type=above_zero,
        metavar="N",
        help="GPUs of each worker, as 1 or 0.5 (1 with --runtime cuda or tensorrt, else none)",
    )
    ray.add_argument(
        "--address",
        metavar="ADDRESS",
        help="of a Ray cluster, as ray://head:10001 (RAY_ADDRESS, else this machine alone)",
    )
    ray.add_argument(
        "--retries",
        type=whole,
        default=2,
        metavar="N",
        help="further tries with a recording that failed or whose worker died (2)",
    )
    ray.add_argument(
        "--chunk-seconds",
        type=above_zero,
        metavar="S",
        help="split longer recordings into chunks of at least S seconds, so that several workers "
        "share one; the results stay the same (default: not split)",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Segment the recordings; 1 if some were given up."""
    from streamseg import batch
    from streamseg.cli.batch_table import batch_table, lines

    latest: list[Progress] = []
    stopped = True
    try:
        with batch_table() as show:

            def keep(progress: Progress) -> None:
                latest[:] = [progress]
                show(progress)

            batch.run(
                arguments.source,
                arguments.out,
                formats=arguments.save or ("parquet",),
                topics=arguments.topic,
                model=arguments.model,
                size=arguments.size,
                max_pixels=arguments.max_pixels,
                min_score=arguments.min_score,
                classes=arguments.classes,
                runtime=arguments.runtime,
                options=SourceOptions(hwaccel=arguments.hwaccel, stream=arguments.stream),
                workers=arguments.workers,
                cpus=arguments.cpus,
                gpus=arguments.gpus,
                address=arguments.address,
                retries=arguments.retries,
                chunk_seconds=arguments.chunk_seconds,
                on_progress=keep,
            )
            stopped = False
    finally:
        for progress in latest:
            print("\n".join(lines(progress, stopped=stopped)), file=sys.stderr)
            print(f"wrote {arguments.out}", file=sys.stderr)
    return int(bool(latest[0].failures))

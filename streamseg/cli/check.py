"""``streamseg check``: does this release work here, and how fast."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from streamseg.cli.arguments import positive

if TYPE_CHECKING:
    from argparse import _SubParsersAction

DESCRIPTION = """\
Replay the golden image of a release through engine and kernels, compare with what must come out,
and print latencies. The exit status is 0 if all is well, for scripts over a fleet.

With --dry-run nothing runs on a GPU: hashes, kernels and their arguments are checked, and the
network runs on the CPU."""


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "check",
        help="check a release: golden outputs, latencies",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("release", type=Path, metavar="RELEASE")
    parser.add_argument("--dry-run", action="store_true", help="without a GPU")
    parser.add_argument(
        "--frames", type=positive, default=200, metavar="N", help="images to time (200)"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Check; raises what is wrong."""
    from streamseg.vehicle.check import check_files, check_on_device

    if arguments.dry_run:
        lines = check_files(arguments.release)
    else:
        lines = check_on_device(arguments.release, frames=arguments.frames)
    for line in lines:
        print(line)
    print("all is well" + (", as far as can be told without a GPU" * arguments.dry_run))
    return 0

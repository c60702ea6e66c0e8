"""``streamseg check``: check that a release works on this machine, and time it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from streamseg.cli.arguments import positive

if TYPE_CHECKING:
    from argparse import _SubParsersAction

DESCRIPTION = """\
Run the golden image of a release through engine and kernels, compare the outputs with the golden
ones, and print latencies. The exit status is 0 if the release passed, so that a script can check a
fleet.

With --dry-run no GPU is used: hashes, kernels and their arguments are checked, and the network runs
on the CPU."""


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
    """Check; raise an error that says what is wrong."""
    from streamseg.vehicle.check import check_files, check_on_device

    if arguments.dry_run:
        lines = check_files(arguments.release)
    else:
        lines = check_on_device(arguments.release, frames=arguments.frames)
    for line in lines:
        print(line)
    limits = ", as far as this can be checked without a GPU" if arguments.dry_run else ""
    print("the release passed" + limits)
    return 0

"""``streamseg build``: make the TensorRT engine of a release, on the machine that will run it."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from streamseg.cli.arguments import above_zero

if TYPE_CHECKING:
    from argparse import _SubParsersAction

DESCRIPTION = """\
Build the TensorRT engine of a release for the GPU of this machine, and compare it with the golden
outputs. This takes minutes. An engine runs only on the kind of GPU and with the version of TensorRT
that built it: build once per kind of vehicle, and again after an update."""
GIB = 1 << 30


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "build",
        help="build the engine of a release, in the vehicle",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("release", type=Path, metavar="RELEASE")
    parser.add_argument(
        "--workspace",
        type=above_zero,
        metavar="GIB",
        help="most memory for trying out algorithms (1 on Tegra, else TensorRT's default)",
    )
    parser.add_argument(
        "--force", action="store_true", help="build even if there is an engine that fits"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Build."""
    from streamseg.export.build import build_release
    from streamseg.export.build_progress import build_bars
    from streamseg.release.manifest import open_release
    from streamseg.vehicle.acceptance import accept_engine
    from streamseg.vehicle.cuda import open_device

    workspace = arguments.workspace and int(arguments.workspace * GIB)
    with build_bars() as progress:
        release = open_release(arguments.release)
        with open_device() as device:
            line = build_release(
                release,
                device.facts,
                partial(accept_engine, device),
                workspace_bytes=workspace,
                force=arguments.force,
                progress=progress,
            )
    print(line)
    return 0

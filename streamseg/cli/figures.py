"""``streamseg figures``: draw the figures of the paper for any image."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from streamseg.cli.places import check_places
from streamseg.errors import SinkError

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from streamseg.frame import Image

SHEET = "sheet.png"


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "figures",
        help="draw what the network computes for an image",
        description="Draw embeddings, seeds, similarities, seediness and classes of an image, "
        f"each as a PNG, and all of them on {SHEET}.",
    )
    parser.add_argument("image", metavar="IMAGE", help="an image; of a video, the first frame")
    parser.add_argument("--model", help="an ONNX model, or nano, the shipped one (default)")
    parser.add_argument(
        "--out", type=Path, default=Path("figures"), metavar="FOLDER", help="where to (figures)"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Segment the image, draw, write."""
    from streamseg.drawing.contact_sheet import contact_sheet
    from streamseg.drawing.figures import COLUMNS, paper_figures
    from streamseg.loading import load
    from streamseg.video.source import open_source

    segmenter = load(arguments.model)
    with open_source(arguments.image) as source:
        image = next(iter(source)).image
    result, output = segmenter.examine(image)
    config = segmenter.config
    figures = paper_figures(result, output, config.taus, config.class_names)
    files = {f"{n:02}-{name}.png": figure for n, (name, figure) in enumerate(figures.items(), 1)}
    files[SHEET] = contact_sheet(list(figures.values()), COLUMNS)
    check_places([arguments.image], [("png", str(arguments.out / name)) for name in files])
    write(arguments.out, files)
    print(f"wrote {len(files)} images; look at {arguments.out / SHEET}")
    return 0


def write(folder: Path, files: dict[str, Image]) -> None:
    """Write PNGs into a folder, which is created if it does not exist.

    Raises:
        SinkError: a file cannot be written.
    """
    from PIL import Image as PillowImage

    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, image in files.items():
            PillowImage.fromarray(image).save(folder / name)
    except OSError as error:
        raise SinkError(f"cannot write to {folder}: {error}") from error

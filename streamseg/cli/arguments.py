"""Types of command-line values, and options that several commands have."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from streamseg.classes import LABEL_SETS
from streamseg.config import SIZE_MULTIPLE
from streamseg.formats.opening import FORMATS


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--data``, ``--split`` and ``--include-training-images``."""
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="DIR",
        help="a data set: COCO, YOLO, LabelMe, CVAT, VOC, Cityscapes or SBD",
    )
    parser.add_argument("--split", default="val", help="list of images in the folder (val)")
    parser.add_argument(
        "--include-training-images",
        action="store_true",
        help="do not leave out images that the model was trained on",
    )


def add_input_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--size`` and ``--max-pixels`` of the network's input."""
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
        help="most pixels of the network input; fewer are faster (default: the model's own)",
    )


def add_report_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--out``, the folder of a report."""
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="write a report there, as HTML and JSON"
    )


def image_size(text: str) -> tuple[int, int]:
    """``640x384`` → (640, 384).

    >>> image_size("640x384")
    (640, 384)
    """
    width, height = any_size(text)
    if width % SIZE_MULTIPLE or height % SIZE_MULTIPLE:
        raise argparse.ArgumentTypeError(
            f"both sides must be multiples of {SIZE_MULTIPLE}, got {text}"
        )
    return width, height


def any_size(text: str) -> tuple[int, int]:
    """``1280x720`` → (1280, 720)."""
    found = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", text)
    if not found:
        raise argparse.ArgumentTypeError(f"must look like 640x384, got {text!r}")
    return int(found[1]), int(found[2])


def score(text: str) -> float:
    """A number from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"must be a number from 0 to 1, got {text!r}")
    return value


def output(text: str) -> tuple[str, str]:
    """``coco:results.json`` → (coco, results.json).

    >>> output("mots-png:out")
    ('mots-png', 'out')
    """
    name, _, path = text.partition(":")
    if name not in FORMATS:
        raise argparse.ArgumentTypeError(
            f"must be FORMAT:PATH, FORMAT one of {', '.join(FORMATS)}, got {text!r}"
        )
    if not path or (path == "-" and name != "jsonl"):
        raise argparse.ArgumentTypeError(
            f"must be {name}:PATH, got {text!r}; only jsonl goes to the standard output (-)"
        )
    return name, path


def class_list(text: str) -> str | list[str]:
    """``voc``, or ``car,person`` → [car, person].

    >>> class_list("voc"), class_list("car, traffic light")
    ('voc', ['car', 'traffic light'])
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise argparse.ArgumentTypeError(f"must name at least one class, got {text!r}")
    return text if text in LABEL_SETS else names


def positive(text: str) -> int:
    """A whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, got {text!r}")
    return int(text)


def whole(text: str) -> int:
    """A whole number of at least 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number, got {text!r}")
    return int(text)


def above_zero(text: str) -> float:
    """A number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a number above 0, got {text!r}")
    return value

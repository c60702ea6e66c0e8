"""What the values and colours of the class masks of a VOC devkit mean.

Usually they are the 20 classes of PASCAL VOC. Two files in the root of a data set change that:

``labelmap.txt``
    as CVAT and Datumaro write it: a line ``name:r,g,b:parts:actions`` for each value, counted
    from 0 with ``background``, else from 1. Colours may be left out; they are then VOC's.
``classes.txt``
    one name per line. If all are classes of ``labelmap.txt`` or else of VOC, only these are
    labelled. If not, they are the data set's own classes, counted as in ``labelmap.txt``, whose
    form is allowed too. If all own classes have names of VOC's classes, the list must begin with
    ``background``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from streamseg.classes import VOC_CLASSES, plain_name, voc_colours
from streamseg.datasets.class_names import all_of, ids_by_name, number_classes
from streamseg.datasets.object_maps import VOID
from streamseg.errors import DataError
from streamseg.files.text import read_text

Colour: TypeAlias = tuple[int, int, int]

BACKGROUND_CODE: Final = 0
VOID_CODE: Final = -1
UNKNOWN_CODE: Final = -2
"""In place of a class 1..C, for each pixel of a class mask."""

_VOID_NAMES = frozenset({"ignored", "ignore", "__ignore__", "void"})
_BLACK = 0, 0, 0


@dataclass(frozen=True, eq=False)
class VocLabels:
    """The classes of a data set, and how its masks show them."""

    class_names: tuple[str, ...]
    labelled_classes: frozenset[int]
    code_of_index: NDArray[np.int16]
    """[256]: of each value of a palette or grey mask."""
    code_of_colour: dict[Colour, int]
    """Of each colour of a colour mask."""
    has_own_colours: bool
    """The indices of palettes mean nothing, only the colours do."""


@dataclass(frozen=True)
class _Label:
    """A line of a file."""

    name: str
    colour: Colour | None

    @property
    def code(self) -> int | None:
        """Background or void; None for a class."""
        if plain_name(self.name) == "background" or self.colour == _BLACK:
            return BACKGROUND_CODE
        return VOID_CODE if self.name.lower() in _VOID_NAMES else None


def read_labels(root: Path) -> VocLabels:
    """Read the files of a data set that say what its masks mean.

    Raises:
        DataError: a file cannot be read or is of another form, or two labels have one colour.
    """
    map_file, list_file = root / "labelmap.txt", root / "classes.txt"
    own = map_file if map_file.is_file() else None
    labels = _read(map_file) if own else [_Label(name, None) for name in VOC_CLASSES]
    if not list_file.is_file():
        return _labels(own, labels)
    listed = _read(list_file)
    if not listed:
        raise DataError(f"{list_file} names no class; delete it if all classes are labelled")
    ids = ids_by_name(_labels(own, labels).class_names)
    names = [plain_name(label.name) for label in listed]
    if all(name in ids for name in names):
        return _labels(own, labels, frozenset(ids[name] for name in names))
    if own:
        wrong = next(label.name for label in listed if plain_name(label.name) not in ids)
        raise DataError(f"{list_file}: {wrong!r} is none of the classes of {map_file}")
    return _labels(list_file, listed)


def pack(colours: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Each colour [..., 3] as one number."""
    parts = colours.astype(np.int32)
    return parts[..., 0] << 16 | parts[..., 1] << 8 | parts[..., 2]


def _labels(
    file: Path | None, labels: list[_Label], labelled: frozenset[int] | None = None
) -> VocLabels:
    """Number labels; ``file`` is where they are from, None for VOC's."""
    class_names, classes = number_classes(
        file, [label.name for label in labels if label.code is None]
    )
    class_of_label = iter(classes)
    codes = [next(class_of_label) if label.code is None else label.code for label in labels]
    first = 0 if codes and codes[0] == BACKGROUND_CODE else 1
    code_of_index = np.full(256, UNKNOWN_CODE, np.int16)
    code_of_index[[0, VOID]] = BACKGROUND_CODE, VOID_CODE
    if first + len(codes) <= VOID:
        code_of_index[first : first + len(codes)] = codes
    has_own_colours = any(label.colour for label in labels)
    colours: list[Colour | None] = [label.colour for label in labels]
    palette: list[Colour] = [(r, g, b) for r, g, b in voc_colours().tolist()]
    if not has_own_colours:
        colours = list(palette[first : first + len(labels)])
    code_of_colour: dict[Colour, int] = {}
    for label, colour, code in zip(labels, colours, codes, strict=False):
        if colour and code_of_colour.setdefault(colour, code) != code:
            raise DataError(f"{file}: {label.name} has the colour of another label")
    code_of_colour.setdefault(_BLACK, BACKGROUND_CODE)
    code_of_colour.setdefault(palette[VOID], VOID_CODE)
    return VocLabels(
        class_names,
        all_of(class_names) if labelled is None else labelled,
        code_of_index,
        code_of_colour,
        has_own_colours,
    )


def _read(file: Path) -> list[_Label]:
    labels = []
    for number, line in enumerate(read_text(file, DataError).splitlines(), start=1):
        if line.strip() and not line.startswith("#"):
            name, *more = line.strip().split(":")
            colour = more[0] if more else ""
            labels.append(_Label(name.strip(), _colour(f"{file}: line {number}", colour)))
    return labels


def _colour(place: str, text: str) -> Colour | None:
    if not text.strip():
        return None
    try:
        red, green, blue = map(int, text.split(","))
    except ValueError as error:
        raise DataError(f"{place}: a colour is r,g,b, got {text!r}") from error
    if not all(0 <= part <= 255 for part in (red, green, blue)):
        raise DataError(f"{place}: a colour has parts from 0 to 255, got {text!r}")
    return red, green, blue

"""Map class names of other data sets to the 20 classes of PASCAL VOC."""

from __future__ import annotations

from pathlib import Path

from streamseg.classes import VOC_CLASSES, plain_name
from streamseg.errors import DataError
from streamseg.text_files import read_text

ALL_CLASSES = frozenset(range(1, len(VOC_CLASSES) + 1))


def class_of_name(name: str) -> int | None:
    """The class, 1..20, that a name means (see ``plain_name``); None if it is none of VOC's.

    >>> class_of_name("Dining Table"), class_of_name("tv"), class_of_name("zebra")
    (11, 20, None)
    """
    plain = plain_name(name)
    return VOC_CLASSES.index(plain) + 1 if plain in VOC_CLASSES else None


def read_class_list(path: Path) -> frozenset[int]:
    """The classes that a text file names, one a line.

    Raises:
        DataError: it cannot be read, is empty or names something other than a VOC class.
    """
    names = [line.strip() for line in read_text(path, DataError).splitlines() if line.strip()]
    if not names:
        raise DataError(f"{path} names no class; delete it if all classes are labelled")
    classes = set()
    for name in names:
        class_id = class_of_name(name)
        if class_id is None:
            raise DataError(f"{path}: {name!r} is none of the classes {', '.join(VOC_CLASSES)}")
        classes.add(class_id)
    return frozenset(classes)

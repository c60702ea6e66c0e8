"""Read and check COCO's annotation file; every error names the file and the entry."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final, TypeVar

from streamseg.classes import MOST_CLASSES, distinct, plain_name
from streamseg.datasets.class_names import ids_by_name
from streamseg.datasets.coco_masks import Outline, Runs, parse
from streamseg.datasets.splits import read_text
from streamseg.errors import DataError

Field = TypeVar("Field")

CROWD: Final = 0
"""In place of a class: several objects in one mask."""

LONGEST_SIDE = 65_535


@dataclass(frozen=True, eq=False)
class Annotation:
    """One annotation."""

    class_id: int
    """1..C, or ``CROWD``."""
    shape: Outline | Runs


@dataclass(frozen=True, eq=False)
class AnnotatedImage:
    """One image and its annotations."""

    file_name: str
    height: int
    width: int
    annotations: list[Annotation] = field(default_factory=list)

    @property
    def id(self) -> str:
        """The file name without ending."""
        return str(PurePosixPath(self.file_name).with_suffix(""))


def read_annotations(file: Path) -> tuple[list[AnnotatedImage], tuple[str, ...]]:
    """Read an annotation file.

    Returns:
        Its images in the order of the file, and the names of its categories: class k (1..C) is
        the k-th of them. Categories whose names differ in spelling only are one class.

    Raises:
        DataError: it is no COCO JSON; an annotation names an unknown image or category or has a
            broken mask; there are no categories, or too many.
    """
    try:
        document = json.loads(read_text(file))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file} is no JSON: {error}") from error
    category_names = {
        entry.get("id", int): entry.get("name", str)
        for entry in _entries(file, document, "categories")
    }
    class_names = distinct(category_names.values())
    if not 1 <= len(class_names) <= MOST_CLASSES:
        raise DataError(f"{file} must have 1 to {MOST_CLASSES} categories, got {len(class_names)}")
    ids = ids_by_name(class_names)
    class_of_category = {id_: ids[plain_name(name)] for id_, name in category_names.items()}
    images = _images(file, document)
    for entry in _entries(file, document, "annotations"):
        image = images.get(entry.get("image_id", int))
        class_id = class_of_category.get(entry.get("category_id", int))
        if image is None:
            raise DataError(f"{entry.place}: image_id is that of no image of the file")
        if class_id is None:
            raise DataError(f"{entry.place}: category_id is that of no category of the file")
        if entry.fields.get("iscrowd"):
            class_id = CROWD
        try:
            shape = parse(entry.fields.get("segmentation"), image.height, image.width)
        except ValueError as error:
            raise DataError(f"{entry.place}: {error}") from error
        image.annotations.append(Annotation(class_id, shape))
    return list(images.values()), class_names


def _images(file: Path, document: object) -> dict[int, AnnotatedImage]:
    images: dict[int, AnnotatedImage] = {}
    for entry in _entries(file, document, "images"):
        number = entry.get("id", int)
        if number in images:
            raise DataError(f"{entry.place}: its id is that of another image too")
        name = entry.get("file_name", str)
        if not PurePosixPath(name).name:
            raise DataError(f"{entry.place}: file_name must name a file, got {name!r}")
        height, width = entry.get("height", int), entry.get("width", int)
        if not (1 <= height <= LONGEST_SIDE and 1 <= width <= LONGEST_SIDE):
            raise DataError(
                f"{entry.place}: height and width must be 1 to {LONGEST_SIDE}, "
                f"got {height} and {width}"
            )
        images[number] = AnnotatedImage(name, height, width)
    return images


@dataclass(frozen=True, eq=False)
class _Entry:
    """One object of a list of the file."""

    place: str
    fields: dict[str, object]

    def get(self, name: str, kind: type[Field]) -> Field:
        """Get a field; it must exist and have this type."""
        value = self.fields.get(name)
        if not isinstance(value, kind):
            raise DataError(f"{self.place}: {name} must be {kind.__name__}, got {value!r}")
        return value


def _entries(file: Path, document: object, name: str) -> Iterator[_Entry]:
    entries = document.get(name) if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise DataError(f"{file} is no COCO file: it holds no list {name!r}")
    for index, entry in enumerate(entries):
        place = f"{file}: {name}[{index}]"
        if not isinstance(entry, dict):
            raise DataError(f"{place} must be an object, got {entry!r}")
        yield _Entry(place, entry)

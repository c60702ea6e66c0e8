"""Read and check COCO's annotation file; every error names the file and the entry."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final, TypeVar

from streamseg.datasets.class_names import class_of_name
from streamseg.datasets.coco_masks import Outline, Runs, parse
from streamseg.errors import DataError
from streamseg.text_files import read_json

Field = TypeVar("Field")

OTHER: Final = 0
"""In place of a class: a category that VOC does not have."""
UNJUDGED: Final = -1
"""In place of a class: a mask that mixes VOC's classes with others, or several objects."""

LONGEST_SIDE = 65_535
DOUBTFUL = frozenset({"truck"})
"""COCO's trucks hold the vans and pickups that VOC calls cars."""


@dataclass(frozen=True, eq=False)
class Annotation:
    """One annotation."""

    class_id: int
    """1..20, or ``OTHER``, or ``UNJUDGED``."""
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


def read_annotations(file: Path) -> tuple[list[AnnotatedImage], frozenset[int]]:
    """Read an annotation file.

    Returns:
        Its images in the order of the file, and the classes (1..20) among its categories.

    Raises:
        DataError: it is no COCO JSON; an annotation names an unknown image or category or has a
            broken mask; no category has the name of a VOC class.
    """
    document = read_json(file, DataError)
    class_of_category: dict[int, int] = {}
    for entry in _entries(file, document, "categories"):
        number = entry.get("id", int)
        if number in class_of_category:
            raise DataError(f"{entry.place}: its id {number} is that of another category too")
        class_of_category[number] = _class(entry.get("name", str))
    classes = frozenset(class_id for class_id in class_of_category.values() if class_id > 0)
    if not classes:
        raise DataError(f"{file}: none of its categories is a class of VOC")
    images = _images(file, document)
    for entry in _entries(file, document, "annotations"):
        image = images.get(entry.get("image_id", int))
        class_id = class_of_category.get(entry.get("category_id", int))
        if image is None:
            raise DataError(f"{entry.place}: image_id is that of no image of the file")
        if class_id is None:
            raise DataError(f"{entry.place}: category_id is that of no category of the file")
        if class_id > 0 and entry.fields.get("iscrowd"):
            class_id = UNJUDGED
        try:
            shape = parse(entry.fields.get("segmentation"), image.height, image.width)
        except ValueError as error:
            raise DataError(f"{entry.place}: {error}") from error
        image.annotations.append(Annotation(class_id, shape))
    return list(images.values()), classes


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


def _class(name: str) -> int:
    return UNJUDGED if name in DOUBTFUL else class_of_name(name) or OTHER


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

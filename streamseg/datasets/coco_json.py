"""Read and check COCO's annotation file; every error names the file and the entry."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from streamseg.datasets.class_names import number_classes
from streamseg.datasets.coco_masks import Outline, Runs, parse
from streamseg.datasets.json_entries import Entry, read_object
from streamseg.datasets.painting import VOID_CLASS
from streamseg.errors import DataError


@dataclass(frozen=True, eq=False)
class Annotation:
    """One annotation."""

    class_id: int
    """1..C, or ``VOID_CLASS``."""
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
        DataError: it is not COCO JSON; an annotation names an unknown image or category or has a
            broken mask; there are no categories, or too many.
    """
    document = read_object(file, "COCO file")
    category_names: dict[int, str] = {}
    for entry in document.entries("categories"):
        number = entry.get("id", int)
        if number in category_names:
            raise DataError(f"{entry.place}: its id {number} is that of another category too")
        category_names[number] = entry.get("name", str)
    class_names, classes = number_classes(file, list(category_names.values()))
    class_of_category = dict(zip(category_names, classes, strict=True))
    images = _images(document)
    for entry in document.entries("annotations"):
        image = images.get(entry.get("image_id", int))
        class_id = class_of_category.get(entry.get("category_id", int))
        if image is None:
            raise DataError(f"{entry.place}: image_id is that of no image of the file")
        if class_id is None:
            raise DataError(f"{entry.place}: category_id is that of no category of the file")
        if entry.fields.get("iscrowd"):
            class_id = VOID_CLASS
        try:
            shape = parse(entry.fields.get("segmentation"), image.height, image.width)
        except ValueError as error:
            raise DataError(f"{entry.place}: {error}") from error
        image.annotations.append(Annotation(class_id, shape))
    return list(images.values()), class_names


def _images(document: Entry) -> dict[int, AnnotatedImage]:
    images: dict[int, AnnotatedImage] = {}
    for entry in document.entries("images"):
        number = entry.get("id", int)
        if number in images:
            raise DataError(f"{entry.place}: its id is that of another image too")
        name = entry.get("file_name", str)
        if not PurePosixPath(name).name:
            raise DataError(f"{entry.place}: file_name must name a file, got {name!r}")
        height, width = entry.shape("height", "width")
        images[number] = AnnotatedImage(name, height, width)
    return images

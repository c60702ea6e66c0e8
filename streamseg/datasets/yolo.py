"""Data sets in the layout of YOLO segmentation: https://docs.ultralytics.com/datasets/segment/.

::

    root/
      data.yaml            names of the classes; train, val and test say where images are
      images/train/a.jpg
      labels/train/a.txt   a line for each object: class x y x y x y ...

Classes are counted from 0; x and y are between 0 and 1. An image without a label file, or with an
empty one, shows no object. The tools of this format turn images as their EXIF data say, and so
does this reader. Masks that overlap are painted by the rules of ``painting``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamseg.datasets.class_names import all_of, number_classes
from streamseg.datasets.images import read_header
from streamseg.datasets.interface import InstanceDataset
from streamseg.datasets.object_maps import ObjectMaps
from streamseg.datasets.painting import encode, fill_polygons, paint
from streamseg.datasets.splits import check_ids
from streamseg.datasets.yolo_yaml import labels_of, read_description
from streamseg.errors import DataError
from streamseg.files.text import read_text

_TOLERANCE = 0.01
"""How far outside of the image a point may be, in parts of the image; as in Ultralytics."""


class YoloFolder(InstanceDataset):
    """One split of a YOLO segmentation data set.

    An id is the path of an image from the root, without ending.

    Attributes:
        file: the ``data.yaml``.
        split: name of the split.
    """

    upright = True

    def __init__(self, file: Path | str, split: str) -> None:
        """Read the description and look for images and labels.

        Args:
            file: the ``data.yaml``, of any name.
            split: ``train``, ``val``, ``test`` or another key of the file.

        Raises:
            DataError: the file is broken, lacks the split, or names something that does not
                exist; there is no image, or none has labels.
        """
        self.file = Path(file)
        self.split = split
        description = read_description(self.file, split)
        self.class_names, self._class_of_number = number_classes(self.file, description.names)
        self.labelled_classes = all_of(self.class_names)
        self.ids = tuple(_id_of(path, description.root) for path in description.images)
        check_ids(self.file, self.ids)
        self._images = dict(zip(self.ids, description.images, strict=True))
        if not any(labels_of(path).is_file() for path in description.images):
            first = description.images[0]
            raise DataError(
                f"{self.file}: no image of split {split!r} has labels; those of {first} would be "
                f"in {labels_of(first)}"
            )

    def image_path(self, image_id: str) -> Path:
        """The image's file."""
        return self._images[image_id]

    def read_maps(self, image_id: str) -> ObjectMaps:
        """Draw the polygons of one image, with their outlines, as Ultralytics does.

        Raises:
            DataError: a line of the labels is broken, or the image is unreadable.
        """
        height, width = shape = read_header(self._images[image_id]).shape(upright=True)
        objects = self._objects(image_id)
        masks = [
            encode(fill_polygons(shape, [np.round(points * (width, height))]))
            for _, points in objects
        ]
        return paint(image_id, shape, masks, [class_id for class_id, _ in objects])

    @cached_property
    def object_classes(self) -> list[tuple[int, ...]]:
        """For each image the classes of its objects, as the label files list them."""
        return [tuple(class_id for class_id, _ in self._objects(image_id)) for image_id in self.ids]

    def _objects(self, image_id: str) -> list[tuple[int, NDArray[np.float64]]]:
        """Class and points of each object of an image."""
        file = labels_of(self._images[image_id])
        text = read_text(file, DataError) if file.is_file() else ""
        # a repeated line counts once, as in Ultralytics
        lines = {line: number for number, line in enumerate(text.splitlines(), 1) if line.strip()}
        return [
            _parse(f"{file}: line {number}", line, self._class_of_number)
            for line, number in lines.items()
        ]


def _id_of(image: Path, root: Path) -> str:
    inside = image.relative_to(root) if image.is_relative_to(root) else image
    return inside.with_suffix("").as_posix()


def _parse(
    place: str, line: str, class_of_number: Sequence[int]
) -> tuple[int, NDArray[np.float64]]:
    """A line of a label file as a class and points [n, 2] in parts of the image."""
    try:
        number, *coordinates = map(float, line.split())
    except ValueError as error:
        raise DataError(f"{place} must hold numbers, got {line[:40]!r}") from error
    if number not in range(len(class_of_number)):
        last = len(class_of_number) - 1
        raise DataError(f"{place}: class {number:g} has no name; named are 0 to {last}")
    if len(coordinates) == 4:
        raise DataError(f"{place} is a box; masks are needed: class x y x y x y ...")
    if len(coordinates) < 6 or len(coordinates) % 2:
        raise DataError(
            f"{place} must hold a class and x and y of 3 points or more, "
            f"got {len(coordinates)} numbers after the class"
        )
    points = np.array(coordinates).reshape(-1, 2)
    if not np.all((points >= -_TOLERANCE) & (points <= 1 + _TOLERANCE)):
        raise DataError(f"{place}: x and y must be from 0 to 1, in parts of the image's size")
    return class_of_number[int(number)], points

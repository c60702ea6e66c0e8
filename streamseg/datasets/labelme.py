"""Folders of JSON files as labelme writes them: https://github.com/wkentaro/labelme.

::

    root/                    or root/{split}/
      a.jpg
      a.json                 shapes, imagePath and the size of the image

Every shape with an area is an object; those with the same label and ``group_id`` are one.
``__ignore__`` is void. An image whose file is missing is taken from ``imageData``. labelme turns
images as their EXIF data say, and so does this reader. Shapes that overlap are painted by the
rules of ``painting``.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PureWindowsPath
from typing import Final

import numpy as np

from streamseg.datasets.class_names import all_of, number_classes
from streamseg.datasets.images import check_size, decode_image, read_header
from streamseg.datasets.interface import InstanceDataset
from streamseg.datasets.json_entries import read_object
from streamseg.datasets.labelme_shapes import Shape, draw, parse
from streamseg.datasets.object_maps import ObjectMaps
from streamseg.datasets.painting import VOID_CLASS, encode, paint
from streamseg.datasets.splits import check_ids, existing_folders
from streamseg.errors import DataError
from streamseg.files.text import read_json
from streamseg.frame import Image

IGNORED: Final = "__ignore__"
"""labelme's own label for what is not to be used."""


@dataclass(frozen=True, eq=False)
class _LabelledImage:
    """What one JSON file says."""

    file: Path
    image: Path | None
    """None: it is in the file."""
    size: tuple[int, int] | None
    """Height and width; None: not said."""
    shapes: tuple[Shape, ...]

    def objects(self) -> list[list[Shape]]:
        """The shapes of each object."""
        groups: dict[object, list[Shape]] = {}
        for shape in self.shapes:
            key = shape if shape.group is None else (shape.label, shape.group)
            groups.setdefault(key, []).append(shape)
        return list(groups.values())


class LabelMeFolder(InstanceDataset):
    """One split of a folder of LabelMe files, all of which are kept in memory, without images.

    The classes are the labels of all splits, in alphabetical order. An id is the path of a JSON
    file from the root, without ending.

    Attributes:
        root: the folder.
        split: name of the split.
    """

    upright = True

    def __init__(self, root: Path | str, split: str) -> None:
        """Read all files.

        Args:
            root: a folder with a folder for each split; or one with JSON files in it, which are
                one split, whatever its name.
            split: name of the split.

        Raises:
            DataError: there is no such split; a file is broken; an image is missing.
        """
        self.root = Path(root)
        self.split = split
        here = json_files(self.root.glob("*.json"))
        folder = self.root if here else self.root / split
        if not folder.is_dir():
            there = existing_folders(self.root)
            raise DataError(f"{folder} does not exist; splits there are: {there}")
        files = here or json_files(self.root.rglob("*.json"))
        images = {file: _read(file) for file in files}
        labels = {shape.label for image in images.values() for shape in image.shapes}
        names = sorted(labels - {IGNORED})
        self.class_names, classes = number_classes(self.root, names)
        self._class_of_label = {IGNORED: VOID_CLASS, **dict(zip(names, classes, strict=True))}
        self.labelled_classes = all_of(self.class_names)
        self._images = {
            file.relative_to(self.root).with_suffix("").as_posix(): image
            for file, image in images.items()
            if file.is_relative_to(folder)
        }
        self.ids = tuple(self._images)
        check_ids(folder, self.ids)

    def image_path(self, image_id: str) -> Path:
        """The image's file, or the JSON file that holds it."""
        image = self._images[image_id]
        return image.image or image.file

    def read_image(self, maps: ObjectMaps) -> Image:
        """Read the image of these objects, or decode it from the JSON file."""
        image = self._images[maps.id]
        if image.image:
            return super().read_image(maps)
        pixels = _embedded(image.file)
        check_size(image.file, pixels, "its mask", maps.object_map)
        return pixels

    def read_maps(self, image_id: str) -> ObjectMaps:
        """Draw the shapes of one image."""
        image = self._images[image_id]
        size = image.size or _size_of(image)
        masks, classes = [], []
        for shapes in image.objects():
            masks.append(encode(np.logical_or.reduce([draw(shape, size) for shape in shapes])))
            classes.append(self._class_of_label[shapes[0].label])
        return paint(image_id, size, masks, classes)

    @cached_property
    def object_classes(self) -> list[tuple[int, ...]]:
        """For each image the classes of its objects, as the file lists them."""
        found = [
            [self._class_of_label[shapes[0].label] for shapes in image.objects()]
            for image in self._images.values()
        ]
        return [tuple(k for k in classes if k != VOID_CLASS) for classes in found]


def is_labelme_folder(root: Path) -> bool:
    """Whether the first JSON file in a folder, or one level below, is of LabelMe."""
    files = json_files(root.glob("*.json")) or json_files(root.glob("*/*.json"))
    document = read_json(files[0], DataError) if files else None
    return isinstance(document, dict) and {"shapes", "imagePath"} <= document.keys()


def json_files(paths: Iterable[Path]) -> list[Path]:
    """Sorted, without those that a Mac leaves for each file that it copies."""
    return sorted(path for path in paths if not path.name.startswith("."))


def _read(file: Path) -> _LabelledImage:
    document = read_object(file, "file of LabelMe")
    shapes = tuple(parse(entry) for entry in document.entries("shapes"))
    said = [document.fields.get(name) for name in ("imageHeight", "imageWidth")]
    size = None if said == [None, None] else document.shape("imageHeight", "imageWidth")
    name = PureWindowsPath(document.get("imagePath", str))  # which knows both separators
    places = file.parent / name.as_posix(), file.parent / name.name
    image = next((place for place in places if place.is_file()), None)
    if image is None and not document.fields.get("imageData"):
        raise DataError(f"{file}: its image {places[0]} does not exist, and it holds no imageData")
    return _LabelledImage(file, image, size, shapes)


def _size_of(image: _LabelledImage) -> tuple[int, int]:
    if image.image:
        return read_header(image.image).shape(upright=True)
    height, width = _embedded(image.file).shape[:2]
    return height, width


def _embedded(file: Path) -> Image:
    """The image that a JSON file holds."""
    text = read_object(file, "file of LabelMe").get("imageData", str)
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise DataError(f"{file}: imageData is not base64: {error}") from error
    return decode_image(f"{file}: imageData", data)

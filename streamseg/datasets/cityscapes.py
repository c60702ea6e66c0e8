"""Cityscapes, as it is distributed: https://github.com/mcordts/cityscapesScripts.

::

    root/
      leftImg8bit/{split}/{city}/{id}_leftImg8bit.png
      gtFine/{split}/{city}/{id}_gtFine_instanceIds.png   or, if that is missing,
      gtFine/{split}/{city}/{id}_gtFine_polygons.json

Its eight kinds of things are the classes. Groups (``cargroup``) are void, and so is what its own
evaluation ignores: caravans and trailers, ``static`` and ``dynamic`` objects, the ego vehicle,
the border. Of polygons that overlap, the later lies on top, as in its own tools.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw

from streamseg.datasets.class_names import all_of
from streamseg.datasets.images import read_grey
from streamseg.datasets.interface import InstanceDataset
from streamseg.datasets.json_entries import read_object
from streamseg.datasets.object_maps import MOST_OBJECTS, VOID, ObjectMaps, number_objects
from streamseg.datasets.splits import check_ids, existing_folders
from streamseg.errors import DataError
from streamseg.video.image_files import IMAGE_SUFFIXES

IMAGES: Final = "leftImg8bit"
LABELS: Final = "gtFine"

_THINGS: Final = {
    24: "person", 25: "rider", 26: "car", 27: "truck",
    28: "bus", 31: "train", 32: "motorcycle", 33: "bicycle",
}  # fmt: skip
_IGNORED_THINGS: Final = {29: "caravan", 30: "trailer"}
_STUFF: Final = {
    7: "road", 8: "sidewalk", 11: "building", 12: "wall", 13: "fence", 17: "pole",
    19: "traffic light", 20: "traffic sign", 21: "vegetation", 22: "terrain", 23: "sky",
}  # fmt: skip
_IGNORED_STUFF: Final = {
    0: "unlabeled", 1: "ego vehicle", 2: "rectification border", 3: "out of roi", 4: "static",
    5: "dynamic", 6: "ground", 9: "parking", 10: "rail track", 14: "guard rail", 15: "bridge",
    16: "tunnel", 18: "polegroup",
}  # fmt: skip
_UNDRAWN: Final = frozenset({"license plate"})
_LABEL_OF_NAME: Final = {
    name: label
    for labels in (_THINGS, _IGNORED_THINGS, _STUFF, _IGNORED_STUFF)
    for label, name in labels.items()
}
"""The label ids of cityscapesscripts/helpers/labels.py."""
_PER_LABEL: Final = 1000
"""Object n of label k has the id 1000 k + n; a group, or stuff, has the id k."""


class CityscapesFolder(InstanceDataset):
    """One split of Cityscapes. An id is, for instance, ``aachen_000000_000019``.

    Attributes:
        root: the folder that holds ``gtFine`` and ``leftImg8bit``.
        split: name of the split.
    """

    def __init__(self, root: Path | str, split: str) -> None:
        """Look for images and labels of all cities.

        Args:
            root: the folder that holds ``gtFine`` and ``leftImg8bit``.
            split: ``train`` or ``val``.

        Raises:
            DataError: a folder or the labels of an image are missing, or there is no image.
        """
        self.root = Path(root)
        self.split = split
        self.class_names = tuple(_THINGS.values())
        self.labelled_classes = all_of(self.class_names)
        folder = self.root / IMAGES / split
        if not folder.is_dir():
            there = existing_folders(folder.parent)
            raise DataError(f"{folder} does not exist; splits there are: {there}")
        images = sorted(
            path
            for path in folder.glob(f"*/*_{IMAGES}.*")
            if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
        )
        self.ids = tuple(path.stem.removesuffix(f"_{IMAGES}") for path in images)
        check_ids(folder, self.ids)
        self._images = dict(zip(self.ids, images, strict=True))
        self._labels = {image_id: self._find_labels(image_id) for image_id in self.ids}

    def image_path(self, image_id: str) -> Path:
        """The image's file."""
        return self._images[image_id]

    def read_maps(self, image_id: str) -> ObjectMaps:
        """Read the objects of one image.

        Raises:
            DataError: the file of labels is unreadable, or holds an unknown label.
        """
        file = self._labels[image_id]
        ids = read_grey(file) if file.suffix == ".png" else _draw(file)
        return _maps_of(image_id, file, ids)

    def _find_labels(self, image_id: str) -> Path:
        folder = self.root / LABELS / self.split / self._images[image_id].parent.name
        files = [
            folder / f"{image_id}_{LABELS}_{kind}" for kind in ("instanceIds.png", "polygons.json")
        ]
        found = next((file for file in files if file.is_file()), None)
        if found is None:
            raise DataError(f"{files[0]} does not exist, nor does {files[1].name}")
        return found


def _draw(file: Path) -> NDArray[np.int32]:
    """Draw polygons as json2instanceImg.py does: int32 [H, W], an id for each pixel."""
    document = read_object(file, "file of Cityscapes")
    height, width = document.shape("imgHeight", "imgWidth")
    image = PillowImage.new("I", (width, height))
    draw = ImageDraw.Draw(image)
    count = dict.fromkeys((*_THINGS, *_IGNORED_THINGS), 0)
    for entry in document.entries("objects"):
        name = entry.get("label", str)
        if entry.fields.get("deleted") or name in _UNDRAWN:
            continue
        is_group = name not in _LABEL_OF_NAME and name.endswith("group")
        label = _LABEL_OF_NAME.get(name.removesuffix("group") if is_group else name)
        if label is None:
            raise DataError(f"{entry.place}: {name!r} is not a label of Cityscapes")
        value = label
        if label in count and not is_group:
            value = label * _PER_LABEL + count[label]
            count[label] += 1
        points = entry.points("polygon")
        if len(points) < 2:
            raise DataError(f"{entry.place}: a polygon needs 2 points, got {len(points)}")
        draw.polygon(points.ravel().tolist(), fill=value)
    return np.asarray(image)


def _maps_of(image_id: str, file: Path, ids: NDArray[np.int32]) -> ObjectMaps:
    """Number the objects of a map [H, W] of Cityscapes' ids."""
    highest = (max(_LABEL_OF_NAME.values()) + 1) * _PER_LABEL - 1
    if ids.min() < 0 or ids.max() > highest:
        wrong = ids.min() if ids.min() < 0 else ids.max()
        raise DataError(f"{file} holds a value that is not an id of Cityscapes: {wrong}")
    pixels = np.bincount(ids.ravel(), minlength=highest + 1)
    things = [k for k in np.flatnonzero(pixels).tolist() if k // _PER_LABEL in _THINGS]
    things = sorted(things, key=lambda k: -pixels[k])[:MOST_OBJECTS]
    value_of_id = np.full(highest + 1, VOID, np.uint8)
    value_of_id[list(_STUFF)] = 0
    class_of_value = np.zeros(256, np.int64)
    for value, thing in enumerate(sorted(things), start=1):
        value_of_id[thing] = value
        class_of_value[value] = list(_THINGS).index(thing // _PER_LABEL) + 1
    return number_objects(image_id, value_of_id[ids], class_of_value)

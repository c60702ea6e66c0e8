"""Data sets in the layout of the PASCAL VOC devkit, also as CVAT and Datumaro write it.

::

    root/
      ImageSets/Segmentation/{split}.txt   one image id per line
      JPEGImages/{id}.jpg                  or of another kind
      SegmentationObject/{id}.png          0 background, k the k-th object, 255 void; or a colour
                                           for each object
      SegmentationClass/{id}.png           0 background, 1..C a class, 255 void; or colours
      labelmap.txt, classes.txt            optional: other classes, see ``voc_labels``

With a ``labelmap.txt``, an image may lack both masks, and shows no object.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamseg.classes import voc_colours
from streamseg.datasets.images import check_size, read_header, read_mask
from streamseg.datasets.interface import InstanceDataset
from streamseg.datasets.object_maps import MOST_OBJECTS, VOID, ObjectMaps, number_objects
from streamseg.datasets.splits import check_files, find_images, read_split
from streamseg.datasets.voc_labels import (
    UNKNOWN_CODE,
    VOID_CODE,
    VocLabels,
    pack,
    read_labels,
)
from streamseg.errors import DataError

LISTS = "ImageSets/Segmentation"


class VocLayout(InstanceDataset):
    """One split of a data set in the VOC devkit's layout.

    Attributes:
        root: the folder that holds ``ImageSets``.
        split: name of the split.
    """

    def __init__(self, root: Path | str, split: str) -> None:
        """Read the split and check that every file it needs is there.

        Args:
            root: the folder that holds ``ImageSets``, for instance ``VOCdevkit/VOC2012``.
            split: which ``ImageSets/Segmentation/{split}.txt`` to read.

        Raises:
            DataError: a folder, the split file, an image or a mask is missing; the split is
                empty or names an image twice; ``labelmap.txt`` or ``classes.txt`` is broken.
        """
        self.root = Path(root)
        self.split = split
        lists = self.root / LISTS
        if not lists.is_dir():
            raise DataError(f"{lists} does not exist")
        self.ids = read_split(lists, split)
        self._images = find_images(self.root / "JPEGImages", self.ids, split)
        self._has_label_map = (self.root / "labelmap.txt").is_file()
        self.upright = self._has_label_map  # CVAT turns images
        for folder in ("SegmentationObject", "SegmentationClass"):
            files = [f"{image_id}.png" for image_id in self.ids if not self._is_empty(image_id)]
            check_files(self.root / folder, files, split)
        self._labels = read_labels(self.root)
        self.class_names = self._labels.class_names
        self.labelled_classes = self._labels.labelled_classes

    def image_path(self, image_id: str) -> Path:
        """The image's file."""
        return self._images[image_id]

    def read_maps(self, image_id: str) -> ObjectMaps:
        """Read the two masks of one image.

        The class of an object is the one that most of its pixels have in the class map;
        background and void have no vote, and a tie goes to the lower class. An object that is
        void in the class map is void.

        Raises:
            DataError: a file is unreadable, its values are not allowed or sizes differ.
        """
        if self._is_empty(image_id):
            shape = read_header(self._images[image_id]).shape(upright=self.upright)
            return number_objects(image_id, np.zeros(shape, np.uint8), np.zeros(256, np.int64))
        object_path, class_path = self._masks(image_id)
        by_colour = self._labels.has_own_colours
        values = _object_values(object_path, read_mask(object_path, by_colour=by_colour))
        mask = read_mask(class_path, by_colour=by_colour)
        check_size(class_path, mask, object_path, values)

        inside = (values != 0) & (values != VOID)
        codes = _class_codes(class_path, mask[inside], self._labels)
        columns = len(self.class_names) + 2  # void, background, 1..C
        pairs = values[inside].astype(np.intp) * columns + (codes - VOID_CODE)
        pixels = np.bincount(pairs, minlength=256 * columns).reshape(256, columns)
        votes = pixels[:, 2:]
        unvoted = np.flatnonzero(pixels.any(axis=1) & ~votes.any(axis=1))
        for number in unvoted:
            if not pixels[number, 0]:
                raise DataError(
                    f"{class_path}: no pixel of object {number} of {object_path} has a class"
                )
            values[values == number] = VOID
        return number_objects(image_id, values, votes.argmax(axis=1).astype(np.int64) + 1)

    def _masks(self, image_id: str) -> tuple[Path, Path]:
        """The files of the objects and of the classes."""
        folders = self.root / "SegmentationObject", self.root / "SegmentationClass"
        return folders[0] / f"{image_id}.png", folders[1] / f"{image_id}.png"

    def _is_empty(self, image_id: str) -> bool:
        """Whether the image has no masks, which CVAT does not write if there is no object."""
        return self._has_label_map and not any(path.exists() for path in self._masks(image_id))


def _object_values(path: Path, mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A mask [H, W] or [H, W, 3] as uint8 [H, W]: 0 background, 255 void, others objects."""
    if mask.ndim == 2:
        return mask
    colours, numbers = np.unique(pack(mask), return_inverse=True)
    index_of_colour = {colour: index for index, colour in enumerate(pack(voc_colours()).tolist())}
    indices = np.array([index_of_colour.get(colour, VOID + 1) for colour in colours.tolist()])
    objects = [k for k in np.argsort(indices, kind="stable") if indices[k] not in (0, VOID)]
    if len(objects) > MOST_OBJECTS:
        raise DataError(
            f"{path} has {len(objects)} colours; at most {MOST_OBJECTS} objects can be told apart"
        )
    value = np.where(indices == VOID, VOID, 0).astype(np.uint8)
    value[objects] = np.arange(1, len(objects) + 1)
    return value[numbers].reshape(mask.shape[:2])


def _class_codes(path: Path, pixels: NDArray[np.uint8], labels: VocLabels) -> NDArray[np.int64]:
    """The class of each of n pixels [n] or [n, 3], or a code that stands for one."""
    if pixels.ndim == 1:
        codes = labels.code_of_index[pixels].astype(np.int64)
        unknown = pixels[codes == UNKNOWN_CODE]
        if unknown.size:
            raise DataError(
                f"{path} holds class {unknown.min()}; allowed are 0 (background), "
                f"1 to {len(labels.class_names)} and {VOID} (void)"
            )
        return codes
    colours, first, numbers = np.unique(pack(pixels), return_index=True, return_inverse=True)
    by_colour = [tuple(pixels[index].tolist()) for index in first]
    codes = np.array([labels.code_of_colour.get(colour, UNKNOWN_CODE) for colour in by_colour])
    if UNKNOWN_CODE in codes:
        red, green, blue = by_colour[codes.tolist().index(UNKNOWN_CODE)]
        raise DataError(f"{path} holds the colour {red},{green},{blue}, which no class has")
    return codes[numbers.reshape(-1)] if len(colours) else np.zeros(0, np.int64)

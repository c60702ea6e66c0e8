"""Data sets in the layout of the PASCAL VOC devkit.

::

    root/
      ImageSets/Segmentation/{split}.txt   one image id per line
      JPEGImages/{id}.jpg
      SegmentationObject/{id}.png          indices: 0 background, k the k-th object, 255 void
      SegmentationClass/{id}.png           indices: 0 background, 1..20 a class, 255 void
      classes.txt                          optional: the classes that are labelled, one a line
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from streamseg.classes import VOC_CLASSES
from streamseg.datasets.class_names import all_of, read_class_list
from streamseg.datasets.images import check_size, read_indices
from streamseg.datasets.interface import InstanceDataset
from streamseg.datasets.object_maps import VOID, ObjectMaps, number_objects
from streamseg.datasets.splits import check_files, read_split
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
                empty or names an image twice; ``classes.txt`` names what is no class.
        """
        self.root = Path(root)
        self.split = split
        lists = self.root / LISTS
        if not lists.is_dir():
            raise DataError(f"{lists} does not exist")
        self.ids = read_split(lists, split)
        for folder, ending in (
            ("JPEGImages", "jpg"),
            ("SegmentationObject", "png"),
            ("SegmentationClass", "png"),
        ):
            files = [f"{image_id}.{ending}" for image_id in self.ids]
            check_files(self.root / folder, files, split)
        class_list = self.root / "classes.txt"
        self.class_names = VOC_CLASSES
        self.labelled_classes = (
            read_class_list(class_list, VOC_CLASSES) if class_list.exists() else all_of(VOC_CLASSES)
        )

    def image_path(self, image_id: str) -> Path:
        """The image's file."""
        return self.root / "JPEGImages" / f"{image_id}.jpg"

    def read_maps(self, image_id: str) -> ObjectMaps:
        """Read the two masks of one image.

        The class of an object is the one that most of its pixels have in the class map;
        background and void have no vote, and a tie goes to the lower class.

        Raises:
            DataError: a file is unreadable, its values are not allowed or sizes differ.
        """
        object_path = self.root / "SegmentationObject" / f"{image_id}.png"
        class_path = self.root / "SegmentationClass" / f"{image_id}.png"
        values = read_indices(object_path)
        classes = read_indices(class_path)
        check_size(class_path, classes, object_path, values)

        inside = (values != 0) & (values != VOID)
        pairs = values[inside].astype(np.intp) * 256 + classes[inside]
        pixels = np.bincount(pairs, minlength=256 * 256).reshape(256, 256)  # [object, class]
        unknown = np.flatnonzero(pixels[:, len(VOC_CLASSES) + 1 : VOID].any(axis=0))
        if unknown.size:
            raise DataError(
                f"{class_path} holds class {unknown[0] + len(VOC_CLASSES) + 1}; allowed are "
                f"0 (background), 1 to {len(VOC_CLASSES)} and {VOID} (void)"
            )
        votes = pixels[:, 1 : len(VOC_CLASSES) + 1]
        unvoted = np.flatnonzero(pixels.any(axis=1) & ~votes.any(axis=1))
        if unvoted.size:
            raise DataError(
                f"{class_path}: no pixel of object {unvoted[0]} of {object_path} has a class"
            )
        return number_objects(image_id, values, votes.argmax(axis=1).astype(np.int64) + 1)

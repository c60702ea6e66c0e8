"""The interface of all data sets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from pathlib import Path

from streamseg.datasets.images import check_size, read_image
from streamseg.datasets.object_maps import ObjectMaps, Sample


class InstanceDataset(ABC):
    """Images with instance masks: one split of a data set.

    Folders, splits and missing files are checked on construction; images are opened one at a time,
    by ``load``. The data set holds no pixels, so that pickling it into data-loading workers is
    cheap.

    Attributes:
        ids: the ids of its images, in the order of the split.
        class_names: C names, 1 to ``MOST_CLASSES``: class k (1..C) is ``class_names[k - 1]``. No
            two are the same in ``streamseg.classes.plain_name``.
        labelled_classes: the classes (of 1..C) whose objects all have a mask. Objects of other
            classes may lack one: background pixels are unknown for them.
    """

    ids: tuple[str, ...]
    class_names: tuple[str, ...]
    labelled_classes: frozenset[int]

    def __len__(self) -> int:
        """Number of images."""
        return len(self.ids)

    def load(self, id_or_index: str | int) -> Sample:
        """Read one image and its objects.

        Args:
            id_or_index: an image's id, or a position in ``ids``.

        Raises:
            DataError: a file is unreadable, its values are not allowed or sizes differ.
        """
        maps = self.load_maps(id_or_index)
        path = self.image_path(maps.id)
        image = read_image(path)
        check_size(path, image, "its mask", maps.object_map)
        return Sample(
            id=maps.id,
            object_map=maps.object_map,
            class_of_object=maps.class_of_object,
            image=image,
        )

    def load_maps(self, id_or_index: str | int) -> ObjectMaps:
        """Read the objects of one image, not the image itself.

        Args:
            id_or_index: an image's id, or a position in ``ids``.

        Raises:
            DataError: a file is unreadable, its values are not allowed or sizes differ.
        """
        return self.read_maps(
            id_or_index if isinstance(id_or_index, str) else self.ids[id_or_index]
        )

    @cached_property
    def object_classes(self) -> list[tuple[int, ...]]:
        """For each image of ``ids`` the classes 1..C of its objects, one entry an object.

        Reads the masks of all images once, in the VOC layout about 2 ms an image.

        Raises:
            DataError: a mask is unreadable or its values are not allowed.
        """
        return [tuple(self.load_maps(image_id).class_of_object.tolist()) for image_id in self.ids]

    @abstractmethod
    def read_maps(self, image_id: str) -> ObjectMaps:
        """Read the objects of an image by its id; called by ``load_maps``."""

    @abstractmethod
    def image_path(self, image_id: str) -> Path:
        """The image's file."""

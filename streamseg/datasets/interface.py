"""The one interface of all data sets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

from streamseg.datasets.object_maps import ObjectMaps, Sample
from streamseg.datasets.pictures import check_size, read_picture


class InstanceDataset(ABC):
    """Pictures with instance masks: one split of a data set.

    Whatever can be known without opening pictures (folders, splits, missing files) is checked
    when it is made; the pictures are opened one at a time, by ``load``. It holds no pixels, so
    that it is cheap to pickle into data-loading workers.

    Attributes:
        ids: the ids of its pictures, in the order of the split.
        labelled_classes: the classes (of 1..20) that are marked wherever they are seen. Those of
            any other class may be there without a mask: what looks like background is unknown.
    """

    ids: tuple[str, ...]
    labelled_classes: frozenset[int]

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self.ids)

    def load(self, id_or_index: str | int) -> Sample:
        """Read one picture and its objects.

        Args:
            id_or_index: a picture's id, or a position in ``ids``.

        Raises:
            DataError: a file is unreadable, its values are not allowed or sizes differ.
        """
        maps = self.load_maps(id_or_index)
        path = self.picture_path(maps.id)
        image = read_picture(path)
        check_size(path, image, "its mask", maps.object_map)
        return Sample(
            id=maps.id,
            object_map=maps.object_map,
            class_of_object=maps.class_of_object,
            image=image,
        )

    def load_maps(self, id_or_index: str | int) -> ObjectMaps:
        """Read the objects of one picture, not the picture itself.

        Args:
            id_or_index: a picture's id, or a position in ``ids``.

        Raises:
            DataError: a file is unreadable, its values are not allowed or sizes differ.
        """
        return self.read_maps(
            id_or_index if isinstance(id_or_index, str) else self.ids[id_or_index]
        )

    @abstractmethod
    def read_maps(self, image_id: str) -> ObjectMaps:
        """The objects of the picture of this id; what ``load_maps`` calls."""

    @abstractmethod
    def picture_path(self, image_id: str) -> Path:
        """The picture's file."""


def object_classes(dataset: InstanceDataset) -> list[tuple[int, ...]]:
    """The classes of the objects of every picture: what class-balanced drawing needs to know.

    Reads only the masks, in the VOC layout about 2 ms a picture.

    Args:
        dataset: the data set to look through.

    Returns:
        For each picture of ``dataset.ids`` the classes (1..20) of its objects, one entry an
        object.

    Raises:
        DataError: a mask is unreadable or its values are not allowed.
    """
    return [tuple(dataset.load_maps(image_id).class_of_object.tolist()) for image_id in dataset.ids]

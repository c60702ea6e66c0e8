"""The interface of all data sets."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from functools import cached_property
from pathlib import Path

from streamseg.datasets.images import check_size, read_header, read_image
from streamseg.datasets.object_maps import ObjectMaps, Sample
from streamseg.frame import Image

logger = logging.getLogger(__name__)


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

    upright: bool = False
    """Whether the tools of this format draw labels on images turned as their EXIF data say.

    Used only if the size of the labels fits the image both turned and as stored.
    """
    _has_warned = False

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
        return Sample(
            id=maps.id,
            object_map=maps.object_map,
            class_of_object=maps.class_of_object,
            image=self.read_image(maps),
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
        """For each image of ``ids`` the classes 1..C of its objects, one entry per object.

        Reads the masks of all images once, in the VOC layout about 2 ms per image.

        Raises:
            DataError: a mask is unreadable or its values are not allowed.
        """
        return [tuple(self.load_maps(image_id).class_of_object.tolist()) for image_id in self.ids]

    def read_image(self, maps: ObjectMaps) -> Image:
        """Read the image of these objects as they were drawn: turned by its EXIF data or not.

        The size of the map tells which, and ``upright`` where it fits both. The first image with
        such data is logged as a warning, unless it is turned and the format's tools turn it too.

        Returns:
            RGB uint8 [H, W, 3].

        Raises:
            DataError: the file cannot be read, or is of another size than the map.
        """
        path = self.image_path(maps.id)
        image = read_image(path, upright=self._is_upright(path, maps.object_map.shape))
        check_size(path, image, "its mask", maps.object_map)
        return image

    def _is_upright(self, path: Path, shape: tuple[int, ...]) -> bool:
        """Whether to turn an image that has labels of this shape as its EXIF data say."""
        header = read_header(path)
        if header.orientation == 1:
            return False
        as_stored, as_shown = (header.shape(upright=upright) == shape for upright in (False, True))
        is_upright = self.upright if as_stored == as_shown else as_shown
        if not (is_upright and self.upright) and not self._has_warned:
            self._has_warned = True
            way = "turned by it" if is_upright else "as it is stored"
            by_format = "as the tools of this format read it"
            reason = by_format if as_stored == as_shown else "because its labels are of that size"
            logger.warning(
                "%s has EXIF orientation %d; it is read %s, %s (other images like it: no message)",
                path,
                header.orientation,
                way,
                reason,
            )
        return is_upright

    @abstractmethod
    def read_maps(self, image_id: str) -> ObjectMaps:
        """Read the objects of an image by its id; called by ``load_maps``."""

    @abstractmethod
    def image_path(self, image_id: str) -> Path:
        """The image's file."""

"""The ground truth of an image: the object and class of every pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamseg.frame import Image

VOID: Final = 255
"""Value of pixels that are not evaluated: rims, groups, doubtful areas."""

MOST_OBJECTS: Final = VOID - 1
"""Most objects in a uint8 object map, besides 0 and ``VOID``."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ObjectMaps:
    """The objects of one image."""

    id: str
    """Name of the image within its data set, without ending."""
    object_map: NDArray[np.uint8]
    """[H, W]: 0 background, k the k-th object (k = 1..M without gaps), 255 void."""
    class_of_object: NDArray[np.int64]
    """[M], 1..C: the class of object k at k-1."""

    def __len__(self) -> int:
        """Number of objects M."""
        return len(self.class_of_object)


@dataclass(frozen=True, eq=False, kw_only=True)
class Sample(ObjectMaps):
    """One image and its objects."""

    image: Image
    """RGB uint8 [H, W, 3]."""


def number_objects(
    image_id: str, values: NDArray[np.uint8], class_of_value: NDArray[np.int64]
) -> ObjectMaps:
    """Number the objects that have pixels from 1 without gaps, in the order of their values.

    Args:
        image_id: name of the image.
        values: uint8 [H, W]: 0 background, 255 void, any other value an object.
        class_of_value: int64 [256]: the class, 1..C, of each value that is an object.
    """
    present = np.bincount(values.ravel(), minlength=256) > 0
    present[[0, VOID]] = False
    objects = np.flatnonzero(present)
    new_value = np.zeros(256, np.uint8)
    new_value[objects] = np.arange(1, len(objects) + 1)
    new_value[VOID] = VOID
    return ObjectMaps(
        id=image_id, object_map=new_value[values], class_of_object=class_of_value[objects]
    )

"""Paint the masks of an image, which may overlap, into one object map.

In an object map each pixel belongs to one object. The rules:

* Of two objects that overlap, the smaller lies on top: a cup on a table, a rider on a horse.
* Void lies below all objects.
* Of more than 254 objects, the smallest become void.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw

from streamseg.datasets.object_maps import MOST_OBJECTS, VOID, ObjectMaps, number_objects

RunLengths: TypeAlias = dict[str, Any]
"""A mask as the COCO tools encode it: ``size`` and ``counts``."""

VOID_CLASS: Final = 0
"""In place of a class: the mask is void, for instance because it holds several objects."""


def paint(
    image_id: str, shape: tuple[int, int], masks: Sequence[RunLengths], classes: Sequence[int]
) -> ObjectMaps:
    """Paint masks by the rules above.

    Args:
        image_id: name of the image.
        shape: height and width of the image.
        masks: of this shape.
        classes: of each mask, 1..C, or ``VOID_CLASS``.
    """
    from pycocotools import mask as coco_mask

    # one by one: for a list of over 255 masks, pycocotools 2.0.11 fails with numpy 2
    area = np.array([coco_mask.area(mask) for mask in masks], np.int64)
    class_id = np.array(classes, np.int64)
    by_size = np.argsort(-area, kind="stable")
    void_first = by_size[np.argsort(class_id[by_size] != VOID_CLASS, kind="stable")]

    values = np.zeros(shape, np.uint8)
    class_of_value = np.zeros(256, np.int64)
    objects = 0
    for index in void_first:
        mask = coco_mask.decode(masks[index]).view(np.bool_)
        if class_id[index] == VOID_CLASS or objects == MOST_OBJECTS:
            values[mask] = VOID
        else:
            objects += 1
            values[mask] = objects
            class_of_value[objects] = class_id[index]
    return number_objects(image_id, values, class_of_value)


def encode(mask: NDArray[np.bool_]) -> RunLengths:
    """Encode a mask [H, W]."""
    from pycocotools import mask as coco_mask

    encoded: RunLengths = coco_mask.encode(np.asfortranarray(mask, np.uint8))
    return encoded


def fill_polygons(
    shape: tuple[int, int], polygons: Sequence[NDArray[np.float64]]
) -> NDArray[np.bool_]:
    """Fill polygons, the pixels of their outlines included, as OpenCV and Pillow do.

    COCO's own tools leave half of the outline out; ``coco_masks`` uses those.

    Args:
        shape: height and width of the mask.
        polygons: float64 [n, 2]: x and y of n corners, in pixels; those of fewer than 3 corners
            enclose nothing. The mask is what any of them encloses.

    Returns:
        bool [H, W].
    """
    height, width = shape
    image = PillowImage.new("L", (width, height))
    draw = ImageDraw.Draw(image)
    for polygon in polygons:
        if len(polygon) >= 3:
            draw.polygon(polygon.ravel().tolist(), fill=1, outline=1)
    return np.asarray(image) > 0

"""Random images with objects and predictions, small enough to check by slow means."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamseg.datasets import VOID, ObjectMaps

Found = tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.float64]]


def random_scene(
    seed: int, name: str, *, side: int = 12, classes: int = 3, predictions: int = 8
) -> tuple[ObjectMaps, Found]:
    """Objects as blocks with some void; predictions as shifted objects or blocks; tied scores."""
    rng = np.random.default_rng(seed)
    object_map = np.zeros((side, side), np.uint8)
    for value in range(1, int(rng.integers(0, 5)) + 1):
        object_map[_block(rng, side)] = value
    object_map[rng.random(object_map.shape) < rng.choice([0, 0.1])] = VOID
    values = [v for v in np.unique(object_map).tolist() if 0 < v < VOID]
    renumbered = np.zeros(256, np.uint8)
    renumbered[values], renumbered[VOID] = np.arange(1, len(values) + 1), VOID
    object_map = renumbered[object_map]
    class_of_object = rng.integers(1, classes + 1, len(values))
    count = int(rng.integers(0, predictions + 1))
    masks = np.zeros((count, side, side), np.bool_)
    class_id = rng.integers(1, classes + 1, count)
    for k in range(count):
        if values and rng.random() < 0.7:
            m = int(rng.integers(len(values)))
            shift = tuple(rng.integers(-1, 2, 2).tolist())
            masks[k] = np.roll(object_map == m + 1, shift, (0, 1))
            if rng.random() < 0.8:
                class_id[k] = class_of_object[m]
        else:
            masks[k][_block(rng, side)] = True
    score = rng.integers(0, 5, count) / 4
    sample = ObjectMaps(id=name, object_map=object_map, class_of_object=class_of_object)
    return sample, (masks, class_id, score)


def _block(rng: np.random.Generator, side: int) -> tuple[slice, slice]:
    y, x = rng.integers(0, side - 2, 2)
    height, width = rng.integers(1, side // 2 + 1, 2)
    return slice(y, y + height), slice(x, x + width)

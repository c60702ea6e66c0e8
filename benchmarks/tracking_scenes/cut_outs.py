"""Take the parts of synthetic scenes from images: cut-out objects, backgrounds without objects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from streamseg.datasets import InstanceDataset, ObjectMaps
from streamseg.errors import DataError
from streamseg.frame import Image

# An object to cut out covers at least this share of its image, and of its own box.
_MIN_PART = 0.02
_MIN_FILL = 0.35
# Sizes of a window for the background, relative to the largest window in the image.
_WINDOW_SCALES = (1.0, 0.85, 0.7, 0.55, 0.45)
_WINDOW_STEP_PX = 8


@dataclass(frozen=True, eq=False)
class CutOut:
    """One object without its surroundings."""

    pixels: NDArray[np.uint8]
    """[h, w, 4]: red, green, blue, and alpha: 255 on the object, else 0."""
    class_id: int
    """1..20"""


class ImageStock:
    """Takes cut-outs and backgrounds from the images of a data set; holds no pixels itself."""

    def __init__(self, dataset: InstanceDataset, ids: Sequence[str]) -> None:
        """Take from the images ``ids`` of ``dataset`` only."""
        self._dataset = dataset
        self._ids = tuple(ids)

    def cut_out(self, rng: np.random.Generator, like: CutOut | None = None) -> CutOut:
        """Draw an object that is large enough and does not touch the border, so that it is whole.

        Args:
            rng: draws image and object.
            like: prefer another object of the same class; any class if there is none.

        Raises:
            DataError: no image has such an object, or a file is unreadable.
        """
        for wanted in (None,) if like is None else (like.class_id, None):
            for maps in self._shuffled(rng):
                for k in rng.permutation(len(maps)).tolist():
                    if wanted not in (None, maps.class_of_object[k]):
                        continue
                    cut = self._cut(maps, k + 1)
                    if cut and (like is None or not np.array_equal(cut.pixels, like.pixels)):
                        return cut
        raise DataError(f"none of the {len(self._ids)} images has an object to cut out")

    def background(self, rng: np.random.Generator, width: int, height: int) -> Image:
        """Draw a part of an image without objects, resized to height×width.

        Raises:
            DataError: no image has such a part, or a file is unreadable.
        """
        for maps in self._shuffled(rng):
            for scale in _WINDOW_SCALES:
                window = _free_window(maps.object_map, width / height, scale, rng)
                if window:
                    image = PillowImage.fromarray(self._dataset.load(maps.id).image)
                    part = image.crop(window)
                    return np.array(
                        part.resize((width, height), PillowImage.Resampling.BILINEAR), np.uint8
                    )
        raise DataError(f"none of the {len(self._ids)} images has a part without objects")

    def _shuffled(self, rng: np.random.Generator) -> Iterator[ObjectMaps]:
        for index in rng.permutation(len(self._ids)).tolist():
            yield self._dataset.load_maps(self._ids[index])

    def _cut(self, maps: ObjectMaps, label: int) -> CutOut | None:
        """Cut out the object of a label; None if it is too small, too thin or at the border."""
        mask = maps.object_map == label
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        y0, y1, x0, x1 = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
        height, width = mask.shape
        area = int(mask.sum())
        if (
            min(x0, y0, width - x1, height - y1) < 1
            or area < _MIN_PART * mask.size
            or area < _MIN_FILL * (y1 - y0) * (x1 - x0)
        ):
            return None
        image = self._dataset.load(maps.id).image
        alpha = np.where(mask, 255, 0).astype(np.uint8)
        pixels = np.dstack([image, alpha])[y0:y1, x0:x1]
        return CutOut(np.ascontiguousarray(pixels), int(maps.class_of_object[label - 1]))


def _free_window(
    object_map: NDArray[np.uint8], aspect: float, scale: float, rng: np.random.Generator
) -> tuple[int, int, int, int] | None:
    """Find a window x0, y0, x1, y1 of an aspect without object and void pixels, or None."""
    height, width = object_map.shape
    window_width = int(scale * min(width, height * aspect))
    window_height = int(window_width / aspect)
    if min(window_width, window_height) < 1:
        return None
    taken = np.zeros((height + 1, width + 1), np.int64)
    taken[1:, 1:] = (object_map != 0).cumsum(axis=0).cumsum(axis=1)
    y0 = np.arange(0, height - window_height + 1, _WINDOW_STEP_PX)[:, None]
    x0 = np.arange(0, width - window_width + 1, _WINDOW_STEP_PX)[None, :]
    y1, x1 = y0 + window_height, x0 + window_width
    inside = taken[y1, x1] - taken[y0, x1] - taken[y1, x0] + taken[y0, x0]
    free = np.argwhere(inside == 0)
    if not len(free):
        return None
    row, column = free[rng.integers(len(free))].tolist()
    left, top = column * _WINDOW_STEP_PX, row * _WINDOW_STEP_PX
    return left, top, left + window_width, top + window_height

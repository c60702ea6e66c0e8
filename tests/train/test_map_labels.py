from __future__ import annotations

import numpy as np
import pytest
import torch

from streamseg.datasets import VOID
from streamseg.train.augment import Crop
from streamseg.train.map_labels import MapLabels, label_map_pixels


def labels_of(object_map: np.ndarray, min_px: int = 1) -> MapLabels:
    crop = Crop(np.zeros((*object_map.shape, 3), np.uint8), object_map, (0.0, 0.0))
    return label_map_pixels(crop, 4, min_px)


def test_a_map_pixel_shows_what_covers_most_of_it() -> None:
    object_map = np.zeros((8, 12), np.uint8)
    object_map[:4, :3], object_map[:4, 3:6] = 5, 9  # 9 covers half of the second map pixel
    object_map[:4, 8:] = 9
    object_map[4:6, :4], object_map[6:, :4] = VOID, 5  # half is void
    object_map[4, 4:8] = VOID
    object_map[4:, 8:], object_map[4, 8] = 9, VOID
    found = labels_of(object_map)
    assert found.labels.tolist() == [[1, 0, 2], [VOID, 0, 2]]
    assert found.labels.dtype == torch.int64
    assert found.kept == [4, 8]
    assert found.coverage.tolist() == [
        [[0.75, 0, 0], [1, 0, 0]],
        [[0.25, 0.5, 1], [0, 0, 1]],
    ]


def test_objects_with_too_few_map_pixels_become_void_and_the_others_are_numbered_anew() -> None:
    coarse = np.array([[1, 2, 2, VOID], [0, 2, 4, 4], [0, 0, 4, 4]], np.uint8)
    found = labels_of(coarse.repeat(4, 0).repeat(4, 1), min_px=3)
    assert found.labels.tolist() == [[VOID, 1, 1, VOID], [0, 1, 2, 2], [0, 0, 2, 2]]
    assert found.kept == [1, 3]
    assert found.coverage.shape == (2, 3, 4)


def test_an_image_without_objects_has_no_coverage() -> None:
    found = labels_of(np.zeros((8, 8), np.uint8))
    assert found.labels.tolist() == [[0, 0], [0, 0]]
    assert found.coverage.shape == (0, 2, 2)
    assert found.kept == []


@pytest.mark.parametrize("axis", [0, 1])
def test_labels_lie_on_neither_side_of_an_outline(axis: int) -> None:
    """The mean over all places of an outline is the place itself: masks are not shifted."""
    for first in range(8, 20):
        object_map = np.zeros((32, 32), np.uint8)
        object_map[:, first : first + 8] = 1
        found = labels_of(object_map if axis else object_map.T)
        columns = found.coverage[0].sum(1 - axis) / 8
        centre = float((columns * (torch.arange(8) + 0.5)).sum() / columns.sum()) * 4
        assert centre == pytest.approx(first + 4)

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter, minimum_filter

from streamseg.datasets import VOID, Sample
from streamseg.train.augment import (
    PADDING,
    AugmentDraw,
    Crop,
    View,
    choose_view,
    cut,
)

COLOURS = {0: (60, 60, 60), 1: (220, 40, 40), 2: (40, 200, 60), 3: (60, 80, 230), VOID: PADDING}


def painted(object_map: NDArray[np.uint8]) -> Sample:
    """An image whose colours tell the label of each pixel."""
    palette = np.zeros((256, 3), np.uint8)
    for label, colour in COLOURS.items():
        palette[label] = colour
    objects = len(np.setdiff1d(object_map, [0, VOID]))
    return Sample(
        id="x",
        object_map=object_map,
        class_of_object=np.full(objects, 7, np.int64),
        image=palette[object_map],
    )


def three_objects() -> Sample:
    object_map = np.zeros((90, 130), np.uint8)
    object_map[10:40, 10:45], object_map[50:84, 30:80], object_map[12:70, 92:122] = 1, 2, 3
    object_map[45:50, 30:80] = VOID
    return painted(object_map)


def view_of(sample: Sample, size: int, seed: int, **changes: Any) -> View:
    settings = {"rotation_degrees": 10.0, "scale_range": (0.7, 1.5), "colour_jitter": 0.0}
    draw = AugmentDraw.draw(np.random.default_rng(seed))
    return choose_view(sample, size, **{**settings, **changes}, draw=draw)


def cut_any(sample: Sample, size: int, seed: int, **changes: Any) -> Crop:
    return cut(sample, size, view_of(sample, size, seed, **changes))


def test_colours_and_labels_stay_together() -> None:
    seen = dict.fromkeys(COLOURS, 0)
    for seed in range(20):
        crop = cut_any(three_objects(), 96, seed)
        assert crop.image.shape == (96, 96, 3)
        assert crop.image.dtype == crop.object_map.dtype == np.uint8
        # away from rims, where the image is interpolated and the map is not
        inside = minimum_filter(crop.object_map, 5) == maximum_filter(crop.object_map, 5)
        inside[[0, 1, -2, -1]] = inside[:, [0, 1, -2, -1]] = False
        for label, colour in COLOURS.items():
            pixels = crop.image[inside & (crop.object_map == label)].astype(int)
            assert (np.abs(pixels - colour) <= 1).all(), (seed, label)
            seen[label] += len(pixels)
    assert min(seen.values()) > 500


def test_a_window_of_the_images_own_size_is_the_image_or_its_mirror_image() -> None:
    object_map = np.zeros((64, 64), np.uint8)
    object_map[5:20, 3:30] = 1
    sample = painted(object_map)
    mirrored = 0
    for seed in range(12):
        crop = cut_any(sample, 64, seed, rotation_degrees=0.0, scale_range=(1.0, 1.0))
        flip = not np.array_equal(crop.object_map, object_map)
        mirrored += flip
        expected = sample.image[:, ::-1] if flip else sample.image
        assert np.array_equal(crop.object_map, object_map[:, ::-1] if flip else object_map)
        assert np.abs(crop.image.astype(int) - expected).max() <= 1
    assert 0 < mirrored < 12


@pytest.mark.parametrize("degrees", [0.0, 10.0])
def test_outside_of_the_image_is_grey_and_void(degrees: float) -> None:
    sample = painted(np.full((80, 100), 1, np.uint8))
    crop = cut_any(sample, 96, 0, rotation_degrees=degrees, scale_range=(0.5, 0.5))
    void = crop.object_map == VOID
    assert (~void).sum() == pytest.approx(40 * 50, abs=0 if degrees == 0 else 40)
    assert (np.abs(crop.image[void].astype(int) - PADDING) <= 1).all()
    assert set(crop.object_map[~void]) == {1}


def test_windows_with_objects_are_preferred() -> None:
    object_map = np.zeros((400, 400), np.uint8)
    object_map[350:370, 340:360] = 1
    sample = painted(object_map)
    held = sum(1 in cut_any(sample, 64, seed).object_map for seed in range(25))
    assert held >= 20  # about 1 in 25 if windows were drawn evenly


def test_images_without_objects_can_be_cut_any() -> None:
    crop = cut_any(painted(np.zeros((50, 70), np.uint8)), 32, 0)
    assert set(crop.object_map.flat) <= {0, VOID}


def test_views_differ_only_by_their_random_numbers() -> None:
    first, again, other = (
        cut_any(three_objects(), 64, seed, colour_jitter=0.3) for seed in (1, 1, 2)
    )
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.object_map, again.object_map)
    assert not np.array_equal(first.image, other.image)


def test_colour_jitter_changes_colours_not_places() -> None:
    plain, jittered = (
        cut_any(three_objects(), 64, 3, colour_jitter=jitter) for jitter in (0.0, 0.3)
    )
    assert np.array_equal(plain.object_map, jittered.object_map)
    assert not np.array_equal(plain.image, jittered.image)


def test_a_crop_knows_where_it_lies_in_the_image() -> None:
    ramp = np.broadcast_to(np.arange(200, dtype=np.uint8)[:, None], (200, 200))
    columns = Sample(
        id="x",
        object_map=np.zeros((200, 200), np.uint8),
        class_of_object=np.zeros(0, np.int64),
        image=np.stack([ramp.T, ramp, ramp], axis=2),
    )
    for seed in range(8):
        crop = cut_any(columns, 64, seed, rotation_degrees=0.0, scale_range=(1.0, 1.0))
        x, y = crop.centre_xy
        column, row = crop.image[..., 0].mean(), crop.image[..., 1].mean()
        assert abs(column - 99.5) == pytest.approx(abs(x), abs=1)  # mirrored or not
        assert row - 99.5 == pytest.approx(y, abs=1)

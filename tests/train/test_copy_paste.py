from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from streamseg.datasets import VOID, Sample
from streamseg.train.copy_paste import paste_objects

GREY, RED, BLUE, RIM = (90, 90, 90), (220, 20, 20), (20, 20, 220), (240, 240, 240)


def sample(
    object_map: NDArray[np.uint8], classes: list[int], colours: dict[int, tuple[int, int, int]]
) -> Sample:
    image = np.full((*object_map.shape, 3), GREY, np.uint8)
    for label, colour in colours.items():
        image[object_map == label] = colour
    return Sample(
        id="x", object_map=object_map, class_of_object=np.array(classes, np.int64), image=image
    )


@pytest.fixture
def onto() -> Sample:
    object_map = np.zeros((80, 120), np.uint8)
    object_map[20:60, 10:50] = 1
    return sample(object_map, [4], {1: RED})


@pytest.fixture
def source() -> Sample:
    """A blue square with a white rim of void, and void far away from it."""
    object_map = np.zeros((80, 120), np.uint8)
    object_map[27:53, 47:73] = VOID
    object_map[30:50, 50:70] = 1
    object_map[0:4] = VOID
    return sample(object_map, [7], {1: BLUE, VOID: RIM})


def test_pasted_objects_come_with_their_pixels_class_and_rim(onto: Sample, source: Sample) -> None:
    flips = sizes = 0
    for seed in range(20):
        result = paste_objects(onto, source, np.random.default_rng(seed))
        assert result.image.shape == onto.image.shape
        assert result.object_map.dtype == result.image.dtype == np.uint8
        assert result.class_of_object.tolist() == [4, 7]
        pasted = result.object_map == 2
        assert pasted.any(), seed
        blue = np.abs(result.image.astype(int) - BLUE).max(2) < 60
        assert blue[pasted].mean() > 0.6  # the rest mixes with the rim
        # around it lies its rim, and nothing else of its picture came along
        void = result.object_map == VOID
        assert void.sum() < 2 * pasted.sum()
        untouched = ~pasted & ~void
        assert np.array_equal(result.object_map[untouched], onto.object_map[untouched])
        assert np.array_equal(result.image[untouched], onto.image[untouched])
        sizes += pasted.sum() > 400
        flips += 1
    assert 0 < sizes < flips


def test_an_object_that_is_covered_keeps_its_number(source: Sample) -> None:
    object_map = np.zeros((80, 120), np.uint8)
    object_map[40, 60] = 1
    small = sample(object_map, [3], {1: RED})
    for seed in range(5):
        result = paste_objects(small, source, np.random.default_rng(seed))
        assert result.class_of_object.tolist() == [3, 7]
        assert set(np.unique(result.object_map)) <= {0, 1, 2, VOID}


def test_nothing_is_pasted_from_a_picture_without_objects(onto: Sample) -> None:
    empty = sample(np.zeros((30, 30), np.uint8), [], {})
    assert paste_objects(onto, empty, np.random.default_rng(0)) is onto


def test_labels_run_out_before_they_meet_void(source: Sample) -> None:
    crowded = sample(np.arange(253, dtype=np.uint8)[None] + 1, [1] * 253, {})
    two = np.zeros((9, 9), np.uint8)
    two[0:4], two[5:9] = 1, 2
    result = paste_objects(crowded, sample(two, [2, 3], {}), np.random.default_rng(1))
    assert len(result) == 254


def test_the_arguments_stay_as_they_were(onto: Sample, source: Sample) -> None:
    before = onto.image.copy(), onto.object_map.copy(), source.object_map.copy()
    paste_objects(onto, source, np.random.default_rng(3))
    after = onto.image, onto.object_map, source.object_map
    assert all(map(np.array_equal, before, after))

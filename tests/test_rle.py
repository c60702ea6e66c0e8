from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from streamseg import rle


def check(label_map: np.ndarray) -> None:
    present = range(1, int(label_map.max(initial=0)) + 2)  # one more, which is nowhere
    for label, encoded in zip(present, rle.encode(label_map, present), strict=True):
        dense = coco_mask.encode(np.asfortranarray(label_map == label))
        assert encoded == {"size": list(label_map.shape), "counts": dense["counts"].decode()}
    read = rle.label_map_of(*rle.label_runs(label_map), *label_map.shape)
    assert np.array_equal(read, label_map)
    assert read.flags.c_contiguous


@settings(max_examples=100, deadline=None)
@given(
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    labels=st.integers(1, 4),
    seed=st.integers(0, 2**16),
)
def test_same_bytes_as_pycocotools(height: int, width: int, labels: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    check(rng.integers(0, labels + 1, (height, width)).astype(np.uint16))


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (5, 1), (4, 6)])
@pytest.mark.parametrize("value", [0, 1])
def test_empty_and_full(size: tuple[int, int], value: int) -> None:
    check(np.full(size, value, np.uint16))


def test_large_regions_of_a_strided_map() -> None:
    y, x = np.mgrid[:300, :400]
    label_map = np.zeros((300, 400), np.uint16)
    for label, (cy, cx) in enumerate([(60, 60), (150, 350), (299, 0), (170, 200)], 1):
        label_map[(y - cy) ** 2 + (x - cx) ** 2 < 70**2] = label
    check(label_map)
    check(label_map[::2, ::-3])


def test_no_labels() -> None:
    assert rle.encode(np.ones((3, 4), np.uint16), []) == []

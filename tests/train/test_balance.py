from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from streamseg.datasets import InstanceDataset, VocLayout
from streamseg.errors import DataError
from streamseg.train.balance import BalancedDraw

MakeVoc = Callable[..., VocLayout]


def drawn(draw: BalancedDraw, count: int = 4000) -> dict[tuple[InstanceDataset, str], float]:
    """Share of every image among many that are drawn."""
    rng = np.random.default_rng(0)
    counts = Counter(draw.draw(rng) for _ in range(count))
    return {image: number / count for image, number in counts.items()}


@pytest.mark.parametrize("balance", [0.0, 0.5, 1.0])
def test_classes_and_then_data_sets_are_drawn_by_a_power_of_their_images(
    make_voc: MakeVoc, balance: float
) -> None:
    large, small = make_voc([[1]] * 8 + [[2]]), make_voc([[1]])
    shares = drawn(BalancedDraw([large, small], balance))
    ones, twos = 9**balance, 1**balance
    of_large = 8**balance / (8**balance + 1)
    expected: dict[tuple[InstanceDataset, str], float] = {(large, "image8"): twos / (ones + twos)}
    expected[small, "image0"] = ones / (ones + twos) * (1 - of_large)
    for i in range(8):
        expected[large, f"image{i}"] = ones / (ones + twos) * of_large / 8
    assert shares.keys() == expected.keys()
    for image, share in shares.items():
        assert share == pytest.approx(expected[image], abs=0.03)


def test_images_without_objects_are_not_drawn(make_voc: MakeVoc) -> None:
    data = make_voc([[], [1], []])
    assert drawn(BalancedDraw([data], 0.5), 50) == {(data, "image1"): 1.0}


def test_data_without_any_object_are_refused(make_voc: MakeVoc) -> None:
    with pytest.raises(DataError, match="no image of the data shows an object"):
        BalancedDraw([make_voc([[], []])], 0.5)

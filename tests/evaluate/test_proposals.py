import math

import numpy as np
import pytest
from random_scenes import random_scene

from streamseg.datasets import ObjectMaps
from streamseg.errors import InputError
from streamseg.evaluate.overlap import compare
from streamseg.evaluate.proposals import RECALL_THRESHOLDS, proposal_recall


def two_objects() -> ObjectMaps:
    return ObjectMaps(
        id="x",
        object_map=np.array([[1, 1, 1, 1, 0, 2, 2, 0]], np.uint8),
        class_of_object=np.array([1, 2]),
    )


def masks(*strips: str) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    return np.array([[[letter == "#" for letter in strip]] for strip in strips])


def test_recall_follows_the_order_of_picking_and_no_class_matters() -> None:
    found = masks("###.....", "......##", ".....##.")  # IoU 3/4 of a, 1/3 and 1 of b
    images = [
        compare(
            "x",
            found,
            np.array([9, 9, 9]),
            np.array([0.1, 0.2, 0.9]),
            two_objects(),
            pick=np.array([0, 1, 2]),
        )
    ]
    result = proposal_recall(images, [1, 2, 3, 100])
    # a up to 0.75; b, found by the third, at all ten
    assert result.average_recall.tolist() == [0.3, 0.3, 0.8, 0.8]
    assert result.recall[2].tolist() == [1.0] * 6 + [0.5] * 4
    assert result.object_count == 2


def test_small_objects_do_not_count() -> None:
    images = [compare("x", masks("####...."), np.array([1]), np.array([0.5]), two_objects())]
    assert proposal_recall(images, [1]).recall[0, 0] == 0.5
    assert proposal_recall(images, [1], min_area_px=3).recall[0, 0] == 1.0


def test_no_objects_and_no_proposals() -> None:
    nobody = np.zeros((0, 1, 8), np.bool_), np.zeros(0, np.int64), np.zeros(0)
    images = [compare("x", *nobody, two_objects())]
    assert proposal_recall(images, [1]).recall.tolist() == [[0.0] * len(RECALL_THRESHOLDS)]
    nothing = proposal_recall(images, [1], min_area_px=99)
    assert math.isnan(nothing.average_recall[0])
    assert nothing.to_json()["recall"] is None


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_asking_each_object_in_turn(seed: int) -> None:
    scenes = [random_scene(seed * 10 + i, str(i)) for i in range(4)]
    counts = (1, 3, 8)
    result = proposal_recall([compare(s.id, *found, s) for s, found in scenes], counts)
    for i, n in enumerate(counts):
        for j, threshold in enumerate(RECALL_THRESHOLDS):
            covered = total = 0
            for sample, (found, _, score) in scenes:
                valid = sample.object_map != 255
                first = sorted(range(len(found)), key=lambda k: -score[k])[:n]
                for m in range(1, len(sample) + 1):
                    truth = sample.object_map == m
                    total += 1
                    covered += any(
                        (found[k] & truth).sum() / ((found[k] | truth) & valid).sum() >= threshold
                        for k in first
                    )
            assert result.recall[i, j] == pytest.approx(covered / total)


def test_an_order_that_is_none_is_refused() -> None:
    found = masks("###.....", "......##")
    with pytest.raises(InputError, match="order of 2"):
        compare("x", found, np.array([1, 1]), np.ones(2), two_objects(), pick=np.array([0, 0]))

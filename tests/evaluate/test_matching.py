from __future__ import annotations

import math

import numpy as np
import pytest

from streamseg.evaluate.matching import Matches, average_precision, judge
from streamseg.evaluate.overlap import count_overlap


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("K", "M"), [(7, 4), (3, 0), (0, 2)])
def test_overlap_equals_counting_pixel_by_pixel(seed: int, K: int, M: int) -> None:
    rng = np.random.default_rng(seed)
    object_map = rng.choice([0, 255, *range(1, M + 1)], (9, 11)).astype(np.uint8)
    masks = rng.random((K, 9, 11)) < rng.random((K, 1, 1))
    overlap = count_overlap(masks, object_map, M)
    assert overlap.iou.shape == (K, M)
    valid = object_map != 255
    for k in range(K):
        assert overlap.mask_px[k] == (masks[k] & valid).sum()
        assert overlap.void_px[k] == (masks[k] & ~valid).sum()
        for m in range(M):
            truth = object_map == m + 1
            intersection, union = (masks[k] & truth).sum(), ((masks[k] | truth) & valid).sum()
            assert overlap.intersection_px[k, m] == intersection
            assert overlap.iou[k, m] == intersection / union
            assert overlap.iou_with_void[k, m] == intersection / (masks[k] | truth).sum()
    assert overlap.object_px.tolist() == [(object_map == m + 1).sum() for m in range(M)]


def test_overlap_reads_masks_that_are_not_contiguous() -> None:
    object_map = np.array([[1, 0], [1, 255], [2, 2]], np.uint8)
    masks = np.moveaxis(np.ones((3, 2, 4), np.bool_), -1, 0)
    overlap = count_overlap(masks, object_map.T.copy().T, 2)
    assert overlap.intersection_px.tolist() == [[2, 2]] * 4


def test_one_pixel_may_agree_and_nothing_against_nothing_does_not() -> None:
    masks = np.array([[[True, True]], [[False, True]]])
    assert count_overlap(masks, np.array([[1, 255]], np.uint8), 2).iou.tolist() == [[1, 0], [0, 0]]


# precision after each prediction is in the comment; AP sums the best precision from there on
@pytest.mark.parametrize(
    ("hits", "objects", "expected"),
    [
        ([], 2, 0.0),
        ([False, False], 1, 0.0),
        ([True, True], 2, 1.0),
        ([True, False, True], 2, (1 + 2 / 3) / 2),  # 1, 1/2, 2/3
        ([False, True, True], 2, (2 / 3 + 2 / 3) / 2),  # 0, 1/2, 2/3: the dip is filled
        ([True, True, False], 4, (1 + 1) / 4),  # two objects never found
        ([False, False, False, True], 1, 1 / 4),
    ],
)
def test_average_precision_by_hand(hits: list[bool], objects: int, expected: float) -> None:
    assert average_precision(np.array(hits, np.bool_), objects) == pytest.approx(expected)


def test_average_precision_of_nothing_to_find_is_undefined() -> None:
    assert math.isnan(average_precision(np.array([False]), 0))


def test_ranking_is_by_class_and_score_and_equal_scores_keep_their_order() -> None:
    names = np.arange(60)  # numpy's other sorts are stable too on a few numbers
    matches = Matches(
        class_id=np.where(names == 2, 2, 1),
        score=np.array([0.5, 0.9, 1.0] * 20),
        iou=np.zeros(60),
        best_object=names,
        other_iou=np.zeros(60),
        best_ignored=np.zeros(60, np.bool_),
        is_small=np.zeros(60, np.bool_),
    )
    by_score = [*range(5, 60, 3), *range(1, 60, 3), *range(0, 60, 3)]
    assert matches.ranked(1).best_object.tolist() == by_score
    assert matches.ranked(3).best_object.tolist() == []
    assert Matches.joined([matches, matches]).ranked(2).best_object.tolist() == [2, 2]


def test_judging_each_rule_in_turn() -> None:
    rows = [
        # iou, object, object ignored, prediction small
        (0.49, 0, False, False),  # below the threshold: false, and object 0 stays free
        (0.50, 0, False, False),  # reaches it: true
        (0.90, 0, False, False),  # object 0 is taken: false
        (0.90, 0, False, True),  # as above, but small: left out
        (0.80, 1, False, True),  # small, yet it finds an object: true
        (0.00, -1, False, False),  # touches nothing: false
        (0.00, -1, False, True),  # touches nothing, but small: left out
        (0.60, 2, True, False),  # finds an ignored object: left out
        (0.70, 2, True, False),  # so is the next one
        (0.40, 2, True, False),  # does not reach the ignored object: false
    ]
    iou, best_object, ignored, small = (np.array(column) for column in zip(*rows, strict=True))
    ranked = Matches(
        class_id=np.ones(len(rows), np.int64),
        score=np.linspace(1, 0, len(rows)),
        iou=iou,
        best_object=best_object,
        other_iou=np.zeros(len(rows)),
        best_ignored=ignored,
        is_small=small,
    )
    assert judge(ranked, 0.5).tolist() == [False, True, False, True, False, False]

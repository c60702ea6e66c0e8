"""Scenes are strips one pixel high: ``.`` background, ``abc`` objects, ``?`` void, ``#`` mask."""

from __future__ import annotations

import json
import math
import pickle
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from streamseg.classes import VOC_CLASSES
from streamseg.datasets import ObjectMaps
from streamseg.errors import InputError
from streamseg.evaluate.overlap import compare
from streamseg.evaluate.voc import VOLUME_THRESHOLDS, VocEvaluator, VocResult

NAMES = VOC_CLASSES
Prediction = tuple[str, int, float]  # strip, class, score


def truth(image_id: str, strip: str, classes: Sequence[int]) -> ObjectMaps:
    values = [{".": 0, "?": 255}.get(letter, ord(letter) - ord("a") + 1) for letter in strip]
    return ObjectMaps(
        id=image_id,
        object_map=np.array([values], np.uint8),
        class_of_object=np.array(classes, np.int64),
    )


def add(evaluator: VocEvaluator, sample: ObjectMaps, predictions: Iterable[Prediction]) -> None:
    predictions = list(predictions)
    masks = np.zeros((len(predictions), *sample.object_map.shape), np.bool_)
    for mask, (strip, _, _) in zip(masks, predictions, strict=True):
        mask[0] = [letter == "#" for letter in strip]
    evaluator.add(
        compare(
            sample.id,
            masks,
            np.array([class_id for _, class_id, _ in predictions], np.int64),
            np.array([score for _, _, score in predictions], np.float32),
            sample,
        )
    )


def score(
    strip: str, classes: Sequence[int], predictions: Iterable[Prediction], **options: Any
) -> VocResult:
    evaluator = VocEvaluator(NAMES, **{"thresholds": (0.5,), **options})
    add(evaluator, truth("x", strip, classes), predictions)
    return evaluator.result()


def ap(result: VocResult, class_id: int = 1) -> float:
    return float(result.ap[class_id - 1, 0])


def test_everything_found() -> None:
    result = score("aa..bbb.", [1, 1], [("##......", 1, 0.9), ("....###.", 1, 0.8)])
    assert ap(result) == 1.0
    assert result.map_r.tolist() == [1.0]


def test_one_of_two_missed() -> None:
    assert ap(score("aa..bbb.", [1, 1], [("##......", 1, 0.9)])) == 0.5


def test_a_duplicate_is_a_false_positive() -> None:
    twice = [("##......", 1, 0.9), ("##......", 1, 0.8), ("....###.", 1, 0.7)]
    # true, false, true: precision 1, 1/2, 2/3
    assert ap(score("aa..bbb.", [1, 1], twice)) == pytest.approx((1 + 2 / 3) / 2)
    last = [("##......", 1, 0.9), ("##......", 1, 0.6), ("....###.", 1, 0.7)]
    assert ap(score("aa..bbb.", [1, 1], last)) == 1.0


def test_a_prediction_keeps_to_its_best_object_even_when_that_is_taken() -> None:
    # the second overlaps a and b by 3/6 each; a has the lower number and is taken, b stays missed
    predictions = [("###.....", 1, 0.9), ("######..", 1, 0.8)]
    assert ap(score("aaabbb..", [1, 1], predictions)) == 0.5


def test_a_mask_below_the_threshold_does_not_take_the_object() -> None:
    # IoU 2/5, then 5/5: false, true
    assert ap(score("aaaaa", [1], [("##...", 1, 0.9), ("#####", 1, 0.8)])) == 0.5


def test_the_wrong_class_finds_nothing() -> None:
    result = score("aaaa", [1], [("####", 2, 0.9)])
    assert ap(result, 1) == 0.0
    assert math.isnan(ap(result, 2))
    assert result.map_r.tolist() == [0.0]  # the mean is over class 1 alone
    assert result.object_count[:2].tolist() == [1, 0]
    assert result.prediction_count[:2].tolist() == [0, 1]


def test_mean_is_over_the_classes_with_objects() -> None:
    result = score("aabb", [3, 20], [("##..", 3, 0.9), ("....", 7, 0.9)])
    assert (ap(result, 3), ap(result, 20)) == (1.0, 0.0)
    assert result.map_r.tolist() == [0.5]


def test_void_belongs_to_neither_mask_nor_union() -> None:
    # outside void 4 of 4 pixels agree; counted as background it would be 4 of 8
    assert ap(score("aaaa????..", [1], [("########..", 1, 0.9)], thresholds=(1.0,))) == 1.0


def test_a_mask_inside_void_is_wrong_unless_specks_are_ignored() -> None:
    predictions = [("....##", 1, 0.9), ("##....", 1, 0.8)]
    assert ap(score("aa..??", [1], predictions)) == 0.5
    assert ap(score("aa..??", [1], predictions, min_area_px=1)) == 1.0


@pytest.mark.parametrize("tenths", range(1, 11))
def test_reaching_the_threshold_exactly_is_enough(tenths: int) -> None:
    mask = "#" * tenths + "." * (10 - tenths)
    for threshold in (tenths / 10, tenths * 0.1):  # 3 * 0.1 is above 0.3
        assert ap(score("a" * 10, [1], [(mask, 1, 0.9)], thresholds=(threshold,))) == 1.0


def test_equal_scores_rank_in_the_order_they_came() -> None:
    right, wrong = ("##..", 1, 0.5), ("..##", 1, 0.5)
    assert ap(score("aa..", [1], [right, wrong])) == 1.0
    assert ap(score("aa..", [1], [wrong, right])) == 0.5


def test_scores_rank_over_all_images() -> None:
    evaluator = VocEvaluator(NAMES, thresholds=(0.5,))
    add(evaluator, truth("x", "aa..", [1]), [("##..", 1, 0.5)])
    add(evaluator, truth("y", "aa..", [1]), [("##..", 1, 0.9), ("..##", 1, 0.8)])
    # true (y), false (y), true (x): each image's object 1 is another object
    assert ap(evaluator.result()) == pytest.approx((1 + 2 / 3) / 2)


def test_small_objects_are_neither_found_nor_missed() -> None:
    strip, classes = "aaaaaa.bb..cc", [1, 1, 1]
    predictions = [
        ("......###....", 1, 0.9),  # b by 2/3, too small: left out
        (".......##....", 1, 0.8),  # b again: left out as well
        ("...........#.", 1, 0.7),  # c by 1/2: left out
        ("......#......", 1, 0.6),  # nothing, but small itself: left out
        ("######.......", 1, 0.5),  # a: true
    ]
    result = score(strip, classes, predictions, min_area_px=3)
    assert ap(result) == 1.0
    assert (result.object_count[0], result.ignored_count[0]) == (1, 2)
    # all three count: true, false, true, false, true: precision 1, 1/2, 2/3, 1/2, 3/5
    assert ap(score(strip, classes, predictions)) == pytest.approx((1 + 2 / 3 + 3 / 5) / 3)


def test_a_large_mask_that_misses_a_small_object_is_wrong() -> None:
    predictions = [(".....#####", 1, 0.9), ("####......", 1, 0.8)]  # the first has 1/5 of b
    assert ap(score("aaaa.....b", [1, 1], predictions, min_area_px=3)) == 0.5


def test_nothing_to_find_is_undefined_not_zero() -> None:
    result = score("....", [], [("##..", 1, 0.9)], thresholds=VOLUME_THRESHOLDS)
    assert np.isnan(result.ap).all()
    assert np.isnan(result.map_r).all()
    assert math.isnan(result.map_vol)
    assert json.loads(json.dumps(result.to_json(), allow_nan=False))["map_vol"] is None


def test_volume_is_the_mean_over_nine_thresholds() -> None:
    half = score("aaaa", [1], [("##..", 1, 0.9)], thresholds=np.arange(0.1, 0.95, 0.1))
    assert half.thresholds == VOLUME_THRESHOLDS
    assert half.map_vol == pytest.approx(5 / 9)  # IoU 1/2 reaches 0.1 to 0.5
    assert math.isnan(score("aaaa", [1], [("##..", 1, 0.9)]).map_vol)


def test_more_images_may_follow_a_result() -> None:
    evaluator = VocEvaluator(NAMES, thresholds=(0.5,))
    add(evaluator, truth("x", "aa..", [1]), [("##..", 1, 0.5)])
    first = evaluator.result()
    add(evaluator, truth("y", "aa..", [1]), [])
    assert (ap(first), first.image_count, first.object_count[0]) == (1.0, 1, 1)
    second = evaluator.result()
    assert (ap(second), second.image_count, second.object_count[0]) == (0.5, 2, 2)


def test_memory_does_not_grow_with_pixels() -> None:
    sizes = []
    for repeat in (1, 10_000):
        evaluator = VocEvaluator(NAMES)
        add(evaluator, truth("x", "ab.?" * repeat, [1, 2]), [("#..." * repeat, 1, 0.5)])
        sizes.append(len(pickle.dumps(evaluator)))
    assert sizes[0] == sizes[1]


def test_table_shows_seen_classes_and_the_mean_in_percent() -> None:
    result = score("aabb", [1, 15], [("##..", 1, 0.9), ("..##", 7, 0.9)], min_area_px=1)
    assert result.table().splitlines() == [
        "class         objects  predicted  AP@0.5",
        "aeroplane           1          1   100.0",
        "car                 0          1       -",
        "person              1          0     0.0",
        "mean                2          2    50.0",
        "images: 1, objects under 1 px ignored: 0",
    ]


def test_json_holds_every_number() -> None:
    result = score("aabb", [1, 15], [("##..", 1, 0.9)], thresholds=(0.7, 0.5))
    document = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert document["thresholds"] == [0.5, 0.7]
    assert document["map_r"] == [0.5, 0.5]
    assert document["classes"]["person"] == {
        "objects": 1,
        "ignored_objects": 0,
        "predictions": 0,
        "ap": [0.0, 0.0],
    }
    assert document["classes"]["dog"]["ap"] == [None, None]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_id": "y"}, "predictions for 'y' came with the objects of 'x'"),
        ({"masks": np.zeros((1, 1, 4), np.uint8)}, r"must be bool \[K, 1, 4\], got uint8"),
        ({"masks": np.zeros((1, 4), np.bool_)}, r"must be bool \[K, 1, 4\], got bool \[1, 4\]"),
        ({"masks": np.zeros((2, 1, 4), np.bool_)}, r"class_id of 'x' must be int \[2\]"),
        ({"class_id": np.array([1.0])}, r"class_id of 'x' must be int \[1\], got float64"),
        ({"class_id": np.array([0])}, "class_id of 'x' must be 1 or more, got 0"),
        ({"class_id": np.array([21])}, "class_id of 'x' must be 1 to 20, got 21"),
        ({"score": np.array([0.5, 0.5])}, r"score of 'x' must be \[1\] finite"),
        ({"score": np.array([np.nan])}, r"score of 'x' must be \[1\] finite"),
    ],
)
def test_bad_predictions_are_refused(change: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {
        "image_id": "x",
        "masks": np.zeros((1, 1, 4), np.bool_),
        "class_id": np.array([1]),
        "score": np.array([0.5]),
        "sample": truth("x", "aa..", [1]),
    }
    evaluator = VocEvaluator(NAMES)
    with pytest.raises(InputError, match=message):
        evaluator.add(compare(**{**arguments, **change}))
    evaluator.add(compare(**arguments))
    with pytest.raises(InputError, match="'x' was added before"):
        evaluator.add(compare(**arguments))


@pytest.mark.parametrize("thresholds", [(), (0.0,), (0.5, 1.1), (math.nan,)])
def test_bad_thresholds_are_refused(thresholds: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match=r"thresholds must be IoUs in \(0, 1\]"):
        VocEvaluator(NAMES, thresholds)


def test_bad_area_and_empty_result_are_refused() -> None:
    with pytest.raises(InputError, match="min_area_px must be 0 or more, got -1"):
        VocEvaluator(NAMES, min_area_px=-1)
    with pytest.raises(InputError, match="no image was added"):
        VocEvaluator(NAMES).result()


# The protocol once more, with sets of pixels and exact fractions, one prediction after another.

HEIGHT, WIDTH, OBJECTS = 3, 4, 3


@st.composite
def images(draw: st.DrawFn) -> tuple[ObjectMaps, dict[str, Any]]:
    shape = (HEIGHT, WIDTH)
    sample = ObjectMaps(
        id=str(draw(st.uuids())),
        object_map=draw(arrays(np.uint8, shape, elements=st.sampled_from([0, 1, 2, 3, 255]))),
        class_of_object=draw(arrays(np.int64, OBJECTS, elements=st.integers(1, 2))),
    )
    count = draw(st.integers(0, 5))
    predictions = {
        "masks": draw(arrays(np.bool_, (count, *shape))),
        "class_id": draw(arrays(np.int64, count, elements=st.integers(1, 3))),
        "score": draw(arrays(np.float64, count, elements=st.sampled_from([0.25, 0.5, 0.75]))),
    }
    return sample, predictions


def pixels(mask: Any) -> set[tuple[int, int]]:
    return {(y, x) for y in range(HEIGHT) for x in range(WIDTH) if mask[y, x]}


def restated_ap(
    scenes: list[tuple[ObjectMaps, dict[str, Any]]], class_id: int, threshold: Fraction, least: int
) -> Fraction | None:
    queue = []
    to_find = 0
    for i, (sample, found) in enumerate(scenes):
        objects = {
            (i, m): pixels(sample.object_map == m + 1)
            for m in range(OBJECTS)
            if sample.class_of_object[m] == class_id
        }
        to_find += sum(len(area) >= least for area in objects.values())
        for k in range(len(found["masks"])):
            if found["class_id"][k] == class_id:
                mask = pixels(found["masks"][k] & (sample.object_map != 255))
                queue.append((found["score"][k], mask, objects))
    queue.sort(key=lambda entry: -entry[0])

    taken = set()
    verdicts = []
    for _, mask, objects in queue:
        best, best_iou = None, Fraction(0)
        for name, area in objects.items():
            iou = Fraction(len(mask & area), max(len(mask | area), 1))
            if iou > best_iou:
                best, best_iou = name, iou
        reached = best is not None and best_iou >= threshold
        if reached and best is not None and len(objects[best]) < least:
            continue
        if reached and best not in taken:
            taken.add(best)
            verdicts.append(True)
        elif len(mask) >= least:
            verdicts.append(False)
    if not to_find:
        return None
    precisions = [Fraction(sum(verdicts[: n + 1]), n + 1) for n in range(len(verdicts))]
    best_from = [max(precisions[n:]) for n, verdict in enumerate(verdicts) if verdict]
    return sum(best_from, Fraction(0)) / to_find


# no timing: a busy machine is no fault of the evaluator
# each example is compared in 27 places: three classes, nine thresholds
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(images(), min_size=1, max_size=3), st.integers(0, 4))
def test_agrees_with_the_protocol_restated(
    scenes: list[tuple[ObjectMaps, dict[str, Any]]], least: int
) -> None:
    evaluator = VocEvaluator(NAMES, VOLUME_THRESHOLDS, min_area_px=least)
    for sample, found in scenes:
        evaluator.add(compare(sample.id, sample=sample, **found))
    result = evaluator.result()
    for class_id in (1, 2, 3):
        for j in range(9):
            expected = restated_ap(scenes, class_id, Fraction(j + 1, 10), least)
            measured = result.ap[class_id - 1, j]
            assert np.isnan(measured) if expected is None else abs(measured - expected) < 1e-12

import numpy as np
import pytest
from random_scenes import random_scene

from streamseg.datasets import ObjectMaps
from streamseg.evaluate.matching import Matches
from streamseg.evaluate.mistakes import KINDS, confusion, sort_mistakes
from streamseg.evaluate.overlap import ImageComparison, compare
from streamseg.evaluate.voc import VocEvaluator

NAMES = tuple(f"class {k}" for k in range(1, 21))


def scene(*predictions: tuple[str, int, float]) -> ImageComparison:
    sample = ObjectMaps(
        id="x",
        object_map=np.array([[1, 1, 1, 1, 0, 0, 2, 2, 2, 2, 0, 0]], np.uint8),
        class_of_object=np.array([1, 2]),  # a person would call them aaaa and bbbb
    )
    masks = np.array([[[letter == "#" for letter in strip]] for strip, _, _ in predictions])
    return compare(
        "x",
        masks,
        np.array([class_id for _, class_id, _ in predictions]),
        np.array([score for _, _, score in predictions]),
        sample,
    )


def judged(*predictions: tuple[str, int, float]) -> tuple[Matches, VocEvaluator]:
    evaluator = VocEvaluator(NAMES, (0.5,))
    evaluator.add(scene(*predictions))
    return evaluator.matches(), evaluator


FOUND = ("####........", 1, 0.9)


@pytest.mark.parametrize(
    ("strip", "class_id", "kind"),
    [
        ("####........", 1, "duplicate"),
        ("......####..", 1, "class"),
        ("#...........", 1, "localisation"),
        ("......#.....", 1, "class and localisation"),
        ("..........##", 1, "background"),
        ("###...####..", 2, None),  # IoU 4/7 of b: a true positive
        ("##....####..", 1, "class"),  # of a it has 2/8 too, but b fits better
    ],
)
def test_each_false_positive_has_one_kind(strip: str, class_id: int, kind: str | None) -> None:
    matches, evaluator = judged(FOUND, (strip, class_id, 0.5))
    count = sort_mistakes(matches, evaluator.result().object_count).count.sum(axis=0)
    kinds = dict(zip(KINDS, count.tolist(), strict=True))
    assert kinds.pop("missed") == (0 if kind is None else 1)  # b
    assert {name for name, number in kinds.items() if number} == ({kind} if kind else set())


def test_the_cost_is_what_the_score_would_rise_by() -> None:
    # class 1: background before the true positive, AP 1/2. class 2: nothing, AP 0
    matches, evaluator = judged(("..........##", 1, 0.95), FOUND)
    mistakes = sort_mistakes(matches, evaluator.result().object_count)
    cost = dict(zip(KINDS, mistakes.cost.tolist(), strict=True))
    assert cost.pop("background") == pytest.approx((1 - 0.5) / 2)
    assert cost.pop("missed") == pytest.approx((1 - 0) / 2)
    assert set(cost.values()) == {0.0}


@pytest.mark.parametrize("seed", range(4))
def test_true_positives_and_mistakes_are_all_there_is(seed: int) -> None:
    evaluator = VocEvaluator(NAMES, (0.5,))
    for i in range(6):
        sample, found = random_scene(seed * 10 + i, str(i))
        evaluator.add(compare(sample.id, *found, sample))
    result = evaluator.result()
    mistakes = sort_mistakes(evaluator.matches(), result.object_count)
    true_positives = result.object_count.sum() - mistakes.count[:, -1].sum()
    wrong = mistakes.count[:, :-1].sum()
    assert true_positives + wrong == result.prediction_count.sum()
    assert (mistakes.cost >= 0).all()


def test_confusion_uses_the_highest_scoring_mask_of_each_object() -> None:
    counts = confusion([scene(FOUND, ("###.........", 7, 0.95), ("......#.....", 2, 0.5))], 20)
    assert counts[0, 6] == 1  # a is taken for class 7
    assert counts[1, -1] == 1  # b is missed: 1/4 is too little
    assert counts.sum() == 2
    assert confusion([scene(FOUND)], 20, min_area_px=5).sum() == 0

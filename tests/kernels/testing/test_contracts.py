"""Every op keeps its contract on every named case, and the contracts notice when one does not."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmarks.kernels import __main__ as bench
from benchmarks.kernels import group_pixels
from streamseg.kernels import (
    Groups,
    Labels,
    Scores,
    decode_scores,
    label_pixels,
)
from streamseg.kernels.testing.cases import CASES, Case
from streamseg.kernels.testing.contracts import check_groups, check_labels, check_scores


def run_all(case: Case) -> tuple[Scores, Groups, np.ndarray, np.ndarray, Labels]:
    scores = decode_scores(case.foreground, case.classes)
    groups = case.group(scores, exclude_claimed=True)
    seeds = groups.seed_index[: groups.count]
    taus = case.taus[scores.tau_index.flat[seeds]]
    labels = label_pixels(case.embeddings, seeds, taus, height=case.height, width=case.width)
    return scores, groups, seeds, taus, labels


@pytest.mark.parametrize("name", CASES)
def test_every_case_keeps_the_contracts(name: str) -> None:
    case = CASES[name]()
    scores, groups, seeds, taus, labels = run_all(case)
    check_scores(case, scores)
    check_groups(case, scores, groups, exclude_claimed=True)
    check_groups(case, scores, case.group(scores, exclude_claimed=False), exclude_claimed=False)
    check_labels(case, seeds, taus, labels)


def test_the_street_is_found() -> None:
    *_, labels = run_all(CASES["street"]())
    covered = (labels.label_map > 0).mean()
    assert 0.1 < covered < 0.5
    assert (labels.area_px > 50).sum() > 10


@pytest.mark.parametrize(
    ("field", "change", "promise"),
    [
        ("seediness", lambda a: a * 0.999, "seediness is the maximum"),
        ("tau_index", lambda a: (a + 1) % 4, "tau and class are its place"),
        ("class_id", lambda a: a % 20 + 1, "tau and class are its place"),
        ("class_id", lambda a: a * 0, "never background"),
    ],
)
def test_wrong_scores_are_noticed(field: str, change: Any, promise: str) -> None:
    case = CASES["street"]()
    scores = decode_scores(case.foreground, case.classes)
    wrong = replace(scores, **{field: change(getattr(scores, field))})
    with pytest.raises(AssertionError, match=promise):
        check_scores(case, wrong)


@pytest.mark.parametrize(
    ("field", "change", "promise"),
    [
        ("seed_index", lambda a: a[::-1], "first seed"),
        ("seed_index", lambda a: a[[0, 2, 1, *range(3, len(a))]], "seed 1 is the best left"),
        ("seed_index", lambda a: a * 0, "picked twice"),
        ("masks", lambda a: ~a, "mask 0"),
        ("count", lambda a: a - 1, "padded with -1"),
    ],
)
def test_wrong_groups_are_noticed(field: str, change: Any, promise: str) -> None:
    case = replace(CASES["street"](), max_seeds=6)
    scores = decode_scores(case.foreground, case.classes)
    groups = case.group(scores, exclude_claimed=False)
    assert groups.count == 6
    wrong = replace(groups, **{field: change(getattr(groups, field))})
    with pytest.raises(AssertionError, match=promise):
        check_groups(case, scores, wrong, exclude_claimed=False)


def test_claimed_seeds_and_seeds_left_out_are_noticed() -> None:
    case = CASES["street"]()
    scores = decode_scores(case.foreground, case.classes)
    overlapping = case.group(scores, exclude_claimed=False)
    with pytest.raises(AssertionError, match="is a candidate"):
        check_groups(case, scores, overlapping, exclude_claimed=True)
    few = replace(case, max_seeds=3).group(scores, exclude_claimed=True)
    short = Groups(
        np.pad(few.seed_index, (0, 29), constant_values=-1), 3, overlapping.masks * False
    )
    short.masks[:3] = few.masks
    with pytest.raises(AssertionError, match="left out"):
        check_groups(case, scores, short, exclude_claimed=True)


@pytest.mark.parametrize(
    ("field", "change", "promise"),
    [
        ("label_map", lambda a: np.roll(a, 3, axis=1), "area|box|margin"),
        ("label_map", lambda a: a[1:], "frame's size"),
        ("area_px", lambda a: a + 1, "area of label 1"),
        ("box", lambda a: a + 1, "box of label 1"),
        ("embedding", lambda a: a + 0.01, "embedding 0"),
    ],
)
def test_wrong_labels_are_noticed(field: str, change: Any, promise: str) -> None:
    case = CASES["street"]()
    _, _, seeds, taus, labels = run_all(case)
    wrong = replace(labels, **{field: change(getattr(labels, field))})
    with pytest.raises(AssertionError, match=promise):
        check_labels(case, seeds, taus, wrong)


def test_a_label_where_a_rival_is_closer_is_noticed() -> None:
    case = CASES["alike"]()
    scores = decode_scores(case.foreground, case.classes)
    groups = case.group(scores, exclude_claimed=False)
    seeds, taus = groups.seed_index[:2], np.full(2, 0.5, np.float32)
    labels = label_pixels(case.embeddings, seeds, taus, height=case.height, width=case.width)
    swapped = np.array([0, 2, 1], np.uint16)[labels.label_map]
    wrong = Labels(swapped, labels.area_px[::-1], labels.box[::-1], labels.embedding[::-1])
    with pytest.raises(AssertionError, match="largest margin"):
        check_labels(case, seeds, taus, wrong)


def test_the_benchmark_prints_a_table_and_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(group_pixels, "SEEDS", (10,))
    bench.main(["--quick"])
    document = json.loads(capsys.readouterr().out.splitlines()[-1])
    ops = [row["op"] for row in document["rows"]]
    assert ops == ["decode_scores", "group_pixels", "label_pixels", "together"]
    assert all(row["min_ms"] <= row["median_ms"] for row in document["rows"])
    assert document["machine"]["numpy"] == np.__version__


def test_the_benchmark_refuses_a_wrong_result(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*output: np.ndarray) -> Scores:
        scores = decode_scores(*output)
        return replace(scores, seediness=scores.seediness * np.float32(0.9))

    monkeypatch.setattr(bench, "decode_scores", wrong)
    with pytest.raises(SystemExit, match=r"not timed, .* contract violated: seediness"):
        bench.main(["--quick"])

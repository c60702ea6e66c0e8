"""``group_pixels`` with several programs at the same time, which meet at its barrier every round.

What this shows and what it does not is in ``docs/gpu.md``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("triton")

import weakened_barriers
from concurrent_programs import Deadlock, concurrent_start

from streamseg.kernels import Groups, decode_scores
from streamseg.kernels.group_pixels import triton_impl, triton_kernel
from streamseg.kernels.group_pixels.launch import Plan
from streamseg.kernels.testing.cases import Case, random, ties

pytestmark = [
    pytest.mark.usefixtures("poisoned_memory"),
    pytest.mark.filterwarnings("ignore:(divide by zero|invalid value):RuntimeWarning"),
]

PIXELS = 99
"""Of both cases: whatever the number of programs, one has fewer pixels than the others."""
KEPT = {2: 64, 4: 32, 7: 16}
"""Pixels of each program that keeps its embeddings, by the number of programs."""


def unequal_plan(programs: int, *, resident: bool) -> Plan:
    """Programs that have unequal shares of the pixels."""
    return Plan(programs, KEPT[programs] if resident else 16, 4, resident)


def case_of(name: str, max_seeds: int, min_seediness: float = 0.0) -> Case:
    case = ties() if name == "ties" else random(9, 11, 18, 22)
    return replace(case, max_seeds=max_seeds, min_seediness=min_seediness)


def group(case: Case, plan: Plan, *, exclude_claimed: bool) -> Groups:
    scores = decode_scores(case.foreground, case.classes)
    found = triton_impl.group_pixels(
        torch.from_numpy(case.embeddings),
        torch.from_numpy(scores.seediness),
        torch.from_numpy(scores.tau_index),
        case.taus,
        max_seeds=case.max_seeds,
        min_seediness=case.min_seediness,
        exclude_claimed=exclude_claimed,
        pixel_plan=plan,
    )
    return Groups(found.seed_index.numpy(), int(found.count), found.masks.numpy())


@pytest.fixture(scope="module", autouse=True)
def rewritten_kernel() -> None:
    """Run each variant alone once: forked programs then find the source rewritten."""
    for plan in (Plan(1, 128, 4, resident=True), Plan(1, 16, 4, resident=False)):
        group(case_of("ties", 2), plan, exclude_claimed=True)


@pytest.fixture
def concurrently(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Groups]:
    """Group with all programs of a plan at the same time, and compare with the reference."""

    def run(
        case: Case, plan: Plan, *, exclude_claimed: bool = False, seed: int = 0, **options: Any
    ) -> Groups:
        monkeypatch.setattr(triton_impl, "start", concurrent_start(seed, **options))
        found = group(case, plan, exclude_claimed=exclude_claimed)
        scores = decode_scores(case.foreground, case.classes)
        expected = case.group(scores, exclude_claimed=exclude_claimed)
        assert found.count == expected.count
        assert found.seed_index.tolist() == expected.seed_index.tolist()
        assert np.array_equal(found.masks, expected.masks)
        return found

    return run


Run = Callable[..., Groups]


@pytest.mark.parametrize("name", ["ties", "random"])
@pytest.mark.parametrize(
    ("programs", "resident"),
    [(2, True), (4, True), (7, True), (2, False), (3, False), (4, False), (7, False)],
)
def test_programs_with_unequal_shares_agree_on_every_seed(
    programs: int, resident: bool, name: str, concurrently: Run
) -> None:
    concurrently(case_of(name, 8), unequal_plan(programs, resident=resident), seed=programs)


@pytest.mark.parametrize(
    ("max_seeds", "plan"),
    [
        (1, unequal_plan(7, resident=True)),
        (2, unequal_plan(3, resident=False)),
        (100, unequal_plan(2, resident=True)),
        (100, unequal_plan(7, resident=False)),
    ],
)
def test_any_number_of_rounds(max_seeds: int, plan: Plan, concurrently: Run) -> None:
    assert concurrently(case_of("ties", max_seeds), plan).count == min(max_seeds, PIXELS)


@pytest.mark.parametrize("plan", [unequal_plan(4, resident=True), unequal_plan(3, resident=False)])
def test_all_programs_stop_in_the_same_round(plan: Plan, concurrently: Run) -> None:
    case = case_of("random", 100, min_seediness=0.3)
    found = concurrently(case, plan, exclude_claimed=True)
    assert 1 < found.count < 50


def test_programs_without_a_pixel_or_a_candidate_wait_too(concurrently: Run) -> None:
    concurrently(case_of("ties", 5), Plan(4, 64, 4, resident=False))
    nothing = concurrently(case_of("random", 3, min_seediness=1.0), unequal_plan(3, resident=False))
    assert nothing.count == 0


@pytest.mark.parametrize("seed", range(4))
def test_delays_change_nothing(seed: int, concurrently: Run) -> None:
    plan = (unequal_plan(4, resident=True), unequal_plan(3, resident=False))[seed % 2]
    concurrently(case_of("ties", 6), plan, seed=100 + seed)


@pytest.mark.parametrize(
    ("mutant", "error", "limit_s"),
    [
        ("meet_without_waiting", AssertionError, 120),
        ("meet_one_short", AssertionError, 120),
        ("meet_with_a_plain_maximum", AssertionError, 120),
        ("meet_with_a_plain_arrival", Deadlock, 4),
    ],
)
def test_a_weakened_barrier_is_caught(
    mutant: str,
    error: type[AssertionError],
    limit_s: float,
    concurrently: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(triton_kernel, "exchange_keys", getattr(weakened_barriers, mutant))
    with pytest.raises(error):
        for _ in range(10):
            concurrently(case_of("random", 24), unequal_plan(4, resident=True), limit_s=limit_s)

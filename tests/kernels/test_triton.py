"""The Triton ops against the ops' contracts: in the interpreter, and on a GPU with ``-m gpu``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from streamseg.errors import InputError
from streamseg.kernels import (
    Groups,
    Labels,
    Scores,
    choose_seeds,
    decode_scores,
    find_runs,
    group_pixels,
    label_pixels,
)
from streamseg.kernels.choose_seeds import launch as choose_seeds_launch
from streamseg.kernels.group_pixels import triton_impl
from streamseg.kernels.group_pixels.launch import Plan, most_programs, plan
from streamseg.kernels.similarity import squared_radius
from streamseg.kernels.testing.cases import CASES, Case, alike, random, street
from streamseg.kernels.testing.contracts import check_groups, check_labels, check_runs, check_scores

SMALL: dict[str, Callable[[], Case]] = {
    **CASES,
    "street": lambda: street(10, 16, dims=16, objects=9),
    "alike": lambda: alike(6, 10, dims=16),
}
"""The interpreter takes a millisecond for every operation of every program."""

pytestmark = [
    pytest.mark.usefixtures("poisoned_memory"),
    pytest.mark.filterwarnings("ignore:(divide by zero|invalid value|overflow):RuntimeWarning"),
]


def tensor(array: NDArray[np.float32], device: torch.device) -> torch.Tensor:
    """With the array's own strides."""
    base = torch.from_numpy(np.array(array)).to(device)
    strided = torch.empty_strided(
        array.shape, [stride // array.itemsize for stride in array.strides], device=device
    )
    return strided.copy_(base)


def run_scores(case: Case, device: torch.device) -> Scores:
    found = decode_scores(tensor(case.logits, device), impl="triton")
    return Scores(
        found.seediness.cpu().numpy(), found.tau_index.cpu().numpy(), found.class_id.cpu().numpy()
    )


def run_groups(
    case: Case, scores: Scores, embeddings: torch.Tensor, *, exclude_claimed: bool
) -> Groups:
    found = group_pixels(
        embeddings,
        torch.from_numpy(scores.seediness).to(embeddings.device),
        torch.from_numpy(scores.tau_index).to(embeddings.device),
        case.taus,
        max_seeds=case.max_seeds,
        min_seediness=case.min_seediness,
        exclude_claimed=exclude_claimed,
    )
    return Groups(found.seed_index.cpu().numpy(), int(found.count), found.masks.cpu().numpy())


def run_labels(
    case: Case, seeds: NDArray[np.int32], tau: NDArray[np.float32], device: torch.device
) -> Labels:
    found = label_pixels(
        tensor(case.embeddings, device),
        torch.from_numpy(seeds).to(device),
        torch.from_numpy(tau).to(device),
        height=case.height,
        width=case.width,
    )
    area, box = (a.cpu().numpy().astype(np.int64) for a in (found.area_px, found.box))
    return Labels(found.label_map.cpu().numpy(), area, box, found.embedding.cpu().numpy())


@pytest.mark.parametrize("name", SMALL)
def test_scores_keep_their_contract_and_are_those_of_the_reference(
    name: str, device: torch.device
) -> None:
    case = SMALL[name]()
    scores, reference = run_scores(case, device), decode_scores(case.logits)
    check_scores(case, scores)
    assert np.allclose(scores.seediness, reference.seediness, rtol=1e-5, atol=1e-12)
    if name == "ties":
        assert np.array_equal(scores.tau_index, reference.tau_index)
        assert np.array_equal(scores.class_id, reference.class_id)


@pytest.mark.parametrize("exclude_claimed", [True, False])
@pytest.mark.parametrize("name", SMALL)
def test_groups_keep_their_contract_and_are_those_of_the_reference(
    name: str, exclude_claimed: bool, device: torch.device
) -> None:
    case = SMALL[name]()
    scores = decode_scores(case.logits)
    embeddings = tensor(case.embeddings, device)
    groups = run_groups(case, scores, embeddings, exclude_claimed=exclude_claimed)
    check_groups(case, scores, groups, exclude_claimed=exclude_claimed)
    reference = case.group(scores, exclude_claimed=exclude_claimed)
    assert np.array_equal(groups.seed_index, reference.seed_index)
    assert groups.count == reference.count


@pytest.mark.parametrize("name", SMALL)
def test_labels_keep_their_contract_and_are_those_of_the_reference(
    name: str, device: torch.device
) -> None:
    case = SMALL[name]()
    scores = decode_scores(case.logits)
    groups = case.group(scores, exclude_claimed=True)
    seeds = groups.seed_index[: groups.count]
    tau = case.taus[scores.tau_index.flat[seeds]]
    labels = run_labels(case, seeds, tau, device)
    check_labels(case, seeds, tau, labels)
    reference = label_pixels(case.embeddings, seeds, tau, height=case.height, width=case.width)
    # where two margins are equal but for rounding either may win
    assert (labels.label_map == reference.label_map).mean() > 0.999


@pytest.mark.parametrize(
    ("name", "block"), [*((name, 32768) for name in SMALL), ("one row", 8), ("ties", 64)]
)
def test_chosen_seeds_are_those_of_the_reference(
    name: str, block: int, device: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choose_seeds_launch, "LARGEST_CHOICE", block)
    case = SMALL[name]()
    scores = decode_scores(case.logits)
    groups = case.group(scores, exclude_claimed=False)
    seeds, masks, likely, tau_index = (
        torch.from_numpy(a).to(device)
        for a in (groups.seed_index, groups.masks, scores.seediness, scores.tau_index)
    )
    for min_visible in (0.0, 0.5, 1.0):
        found = choose_seeds(
            seeds,
            masks,
            likely,
            min_visible=min_visible,
            count=torch.tensor([groups.count], dtype=torch.int32, device=device),
            tau_index=tau_index,
            taus=case.taus,
        )
        expected = choose_seeds(
            groups.seed_index, groups.masks, scores.seediness, min_visible=min_visible
        )
        count = int(found.count)
        chosen = found.seed_index.cpu().numpy()
        assert chosen[:count].tolist() == expected.tolist()
        assert (chosen[count:] == -1).all()
        radius = squared_radius(case.taus)[scores.tau_index.flat[expected]]
        assert np.array_equal(found.seed_radius[:count].cpu().numpy(), radius)


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (700, 1), (50, 71), (64, 32)])
def test_runs_keep_their_contract_and_are_those_of_the_reference(
    shape: tuple[int, int], device: torch.device
) -> None:
    rng = np.random.default_rng(0)
    for label_map in (
        rng.integers(0, 3, shape).astype(np.uint16),
        np.repeat(rng.integers(0, 60000, (shape[0], 1)), shape[1], 1).astype(np.uint16),
        np.full(shape, 7, np.uint16),
    ):
        runs = find_runs(torch.from_numpy(label_map).to(device)).on_host()
        check_runs(label_map, runs)
        reference = find_runs(label_map)
        assert np.array_equal(runs.start, reference.start)
        assert np.array_equal(runs.label, reference.label)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_with_as_it_is(dtype: torch.dtype, device: torch.device) -> None:
    exact = random(9, 8, 18, 20)
    half = torch.from_numpy(exact.embeddings).to(device, dtype)
    case = replace(exact, embeddings=half.float().cpu().numpy())
    scores = decode_scores(case.logits)
    groups = run_groups(case, scores, half, exclude_claimed=False)
    check_groups(case, scores, groups, exclude_claimed=False)
    assert groups.count == case.max_seeds


@pytest.mark.parametrize("exclude_claimed", [True, False])
def test_walking_through_tiles_equals_keeping_them_in_registers(
    exclude_claimed: bool, device: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = random(7, 9, 14, 18)
    scores = decode_scores(case.logits)
    embeddings = tensor(case.embeddings, device)
    found = []
    for chosen in (Plan(1, 64, 4, resident=True), Plan(1, 16, 4, resident=False)):
        monkeypatch.setattr(triton_impl, "plan", lambda *_, chosen=chosen: chosen)
        found.append(run_groups(case, scores, embeddings, exclude_claimed=exclude_claimed))
    assert np.array_equal(found[0].seed_index, found[1].seed_index)
    assert np.array_equal(found[0].masks, found[1].masks)


def test_plans_keep_embeddings_in_registers_where_they_fit() -> None:
    for pixels, dims, multiprocessors, resident in (
        (96 * 160, 64, 132, True),  # H200
        (128 * 256, 64, 132, True),
        (256 * 512, 64, 132, False),
        (256 * 512, 32, 132, True),
        (96 * 160, 64, 16, False),  # Orin
        (96 * 160, 32, 16, True),
    ):
        chosen = plan(pixels, dims, 2, most_programs(multiprocessors))
        assert chosen.resident == resident, (pixels, dims, multiprocessors)
        assert chosen.programs <= most_programs(multiprocessors)
        assert chosen.block * dims * 2 <= 32768
        assert not resident or chosen.programs * chosen.block >= pixels


def test_an_implementation_that_is_asked_for_is_obeyed_or_refused() -> None:
    logits = random(4, 5, 8, 10).logits
    assert isinstance(decode_scores(logits, impl="reference"), Scores)
    for array, impl, message in (
        (logits, "triton", "takes torch tensors, got ndarray"),
        (torch.from_numpy(logits), "reference", "takes numpy arrays"),
        (logits, "cuda", "must be reference or triton"),
    ):
        with pytest.raises(InputError, match=message):
            decode_scores(array, impl=impl)


def test_triton_wants_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    with pytest.raises(InputError, match="Triton runs on CUDA tensors, got one on cpu"):
        decode_scores(torch.zeros(1, 2, 3, 4))


def test_what_is_no_such_tensor_is_refused(device: torch.device) -> None:
    def zeros(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        return torch.zeros(*shape, dtype=dtype, device=device)

    likely, tau_index = zeros(3, 4), zeros(3, 4, dtype=torch.uint8)
    taus = np.array([0.5], np.float32)
    options: dict[str, Any] = {"max_seeds": 2, "min_seediness": 0.5, "exclude_claimed": True}
    for call, message in (
        (lambda: decode_scores(zeros(2, 3, 4)), r"logits must be floating \[T, C\+1, h, w\]"),
        (lambda: decode_scores(zeros(1, 1, 3, 4)), "2..256 classes"),
        (lambda: decode_scores(zeros(1, 3, 3, 4, dtype=torch.int32)), "logits must be floating"),
        (
            lambda: group_pixels(zeros(2, 3, 5), likely, tau_index, taus, **options),
            r"seediness must be torch.float32 \[3, 5\]",
        ),
        (
            lambda: group_pixels(zeros(2, 3, 4), likely, likely, taus, **options),
            "tau_index must be torch.uint8",
        ),
        (
            lambda: group_pixels(
                zeros(2, 3, 4), likely, tau_index, taus, **{**options, "max_seeds": 0}
            ),
            "max_seeds must be a whole number at least 1",
        ),
        (
            lambda: label_pixels(zeros(2, 3, 4), likely[0], likely[0], height=3, width=3),
            "seed_index must be torch.int32",
        ),
        (lambda: find_runs(zeros(3, 4)), r"label_map must be torch.uint16 \[H, W\]"),
    ):
        with pytest.raises(InputError, match=message):
            call()

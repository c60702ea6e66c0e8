"""The Triton ops against the ops' contracts: in the interpreter, and on a GPU with ``-m gpu``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from benchmarks.kernels import group_pixels as group_pixels_benchmark
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
    "random": lambda: random(7, 9, 27, 38),
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
    return read_scores(tensor(case.foreground, device), tensor(case.classes, device))


def read_scores(foreground: torch.Tensor, classes: torch.Tensor) -> Scores:
    found = decode_scores(foreground, classes, impl="triton")
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
    scores, reference = run_scores(case, device), decode_scores(case.foreground, case.classes)
    check_scores(case, scores)
    assert np.allclose(scores.seediness, reference.seediness, rtol=1e-5, atol=1e-12)
    if name in ("ties", "many classes"):
        assert np.array_equal(scores.tau_index, reference.tau_index)
        assert np.array_equal(scores.class_id, reference.class_id)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_scores_of_half_precision_are_computed_in_float(
    dtype: torch.dtype, device: torch.device
) -> None:
    exact = random(9, 7, 18, 14)
    foreground, classes = (
        torch.from_numpy(values).to(device, dtype) for values in (exact.foreground, exact.classes)
    )
    rounded = [values.float().cpu().numpy() for values in (foreground, classes)]
    case = replace(exact, foreground=rounded[0], classes=rounded[1])
    scores, reference = read_scores(foreground, classes), decode_scores(*rounded)
    check_scores(case, scores)
    assert np.array_equal(scores.tau_index, reference.tau_index)
    assert np.array_equal(scores.class_id, reference.class_id)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_extreme_foreground_gives_0_and_1(dtype: torch.dtype, device: torch.device) -> None:
    foreground = torch.tensor([[[-1e4, 1e4, 1e4]], [[-1e4, -1e4, 1e4]]], dtype=dtype, device=device)
    scores = read_scores(foreground, torch.ones(2, 1, 2, dtype=dtype, device=device))
    assert scores.seediness.tolist() == [[0, 1, 1]]
    assert not scores.tau_index.any()
    assert (scores.class_id == 1).all()


@pytest.mark.parametrize(
    ("thresholds", "count"), [(1, 1), (2, 2), (80, 80), (1, 128), (2, 129), (255, 1000)]
)
def test_any_number_of_thresholds_and_classes(
    thresholds: int, count: int, device: torch.device
) -> None:
    foreground = torch.zeros(thresholds, 3, 3, device=device)
    classes = torch.zeros(count, 2, 2, device=device)
    foreground[-1] = 1
    classes[-1, 1:] = 0.5
    scores = read_scores(foreground, classes)
    assert (scores.tau_index == thresholds - 1).all()
    assert scores.class_id.tolist() == [[1, 1, 1], [1, 1, 1], [count, count, count]]
    assert not scores.seediness[:2].any()
    assert scores.seediness[2].all()


@pytest.mark.parametrize(
    "layout",
    [
        lambda values: values.permute(1, 2, 0).contiguous().permute(2, 0, 1),
        lambda values: values.mT.contiguous().mT,
        lambda values: torch.nn.functional.pad(values, (1, 2, 1, 0))[:, 1:, 1:-2],
        lambda values: values.repeat_interleave(2, 0)[1::2],
        lambda values: values[:1].expand(5, -1, -1),
    ],
    ids=["channels last", "columns first", "rows with gaps", "planes with gaps", "one plane"],
)
def test_memory_layout_does_not_matter_to_scores(layout: Any, device: torch.device) -> None:
    case = random(5, 7, 10, 14)
    output = [torch.from_numpy(values).to(device) for values in (case.foreground, case.classes)]
    foreground, classes = map(layout, output)
    ours = read_scores(foreground, classes)
    theirs = read_scores(foreground.contiguous(), classes.contiguous())
    for name in ("seediness", "tau_index", "class_id"):
        assert np.array_equal(getattr(ours, name), getattr(theirs, name))


@pytest.mark.parametrize("exclude_claimed", [True, False])
@pytest.mark.parametrize("name", SMALL)
def test_groups_keep_their_contract_and_are_those_of_the_reference(
    name: str, exclude_claimed: bool, device: torch.device
) -> None:
    case = SMALL[name]()
    scores = decode_scores(case.foreground, case.classes)
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
    scores = decode_scores(case.foreground, case.classes)
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
    scores = decode_scores(case.foreground, case.classes)
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
    scores = decode_scores(case.foreground, case.classes)
    groups = run_groups(case, scores, half, exclude_claimed=False)
    check_groups(case, scores, groups, exclude_claimed=False)
    assert groups.count == case.max_seeds


@pytest.mark.parametrize("exclude_claimed", [True, False])
def test_walking_through_tiles_equals_keeping_them_in_registers(
    exclude_claimed: bool, device: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = random(7, 9, 14, 18)
    scores = decode_scores(case.foreground, case.classes)
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
    case = random(4, 5, 8, 10)
    arrays = case.foreground, case.classes
    tensors = tuple(map(torch.from_numpy, arrays))
    assert isinstance(decode_scores(*arrays, impl="reference"), Scores)
    for output, impl, message in (
        (arrays, "triton", "takes torch tensors, got ndarray"),
        (tensors, "reference", "takes numpy arrays"),
        (arrays, "cuda", "must be reference or triton"),
        ((arrays[0], tensors[1]), None, "classes must be a numpy array .* got Tensor"),
        ((tensors[0], arrays[1]), "triton", r"classes must be torch.float32 .* got float32"),
    ):
        with pytest.raises(InputError, match=message):
            decode_scores(*output, impl=impl)


def test_triton_wants_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    with pytest.raises(InputError, match="Triton runs on CUDA tensors, got one on cpu"):
        decode_scores(torch.zeros(1, 3, 4), torch.zeros(1, 2, 2))


def test_what_is_no_such_tensor_is_refused(device: torch.device) -> None:
    def zeros(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        return torch.zeros(*shape, dtype=dtype, device=device)

    likely, tau_index = zeros(3, 4), zeros(3, 4, dtype=torch.uint8)
    taus = np.array([0.5], np.float32)
    options: dict[str, Any] = {"max_seeds": 2, "min_seediness": 0.5, "exclude_claimed": True}
    for call, message in (
        (
            lambda: decode_scores(zeros(3, 4), zeros(1, 2, 2)),
            r"foreground must be floating \[T, h, w\]",
        ),
        (lambda: decode_scores(zeros(1, 3, 4), zeros(2, 2)), r"classes must be .* \[C, ceil"),
        (
            lambda: decode_scores(zeros(1, 3, 4, dtype=torch.int32), zeros(1, 2, 2)),
            "foreground must be floating",
        ),
        (
            lambda: decode_scores(zeros(1, 3, 4), zeros(1, 2, 2, dtype=torch.float16)),
            "classes must be torch.float32",
        ),
        (lambda: decode_scores(zeros(1, 3, 4), zeros(65536, 2, 2)), "1..65535 classes"),
        (lambda: decode_scores(zeros(256, 3, 4), zeros(1, 2, 2)), "1..255 thresholds"),
        (lambda: decode_scores(zeros(1, 3, 4), zeros(1, 1, 2)), r"a map of \(2, 2\)"),
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


def test_the_contenders_of_the_benchmark_agree_on_half_precision(device: torch.device) -> None:
    case = replace(random(6, 9, 12, 18), max_seeds=5, min_seediness=0.0)
    scores = decode_scores(case.foreground, case.classes)
    contenders = group_pixels_benchmark.on_gpu(case, scores, device)
    assert list(contenders) == ["ours", "torch loop", "one program"]

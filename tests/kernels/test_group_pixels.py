import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from streamseg.errors import InputError
from streamseg.kernels import Groups, group_pixels

TAUS = np.array([0.25, 0.5, 0.75, 0.9], np.float32)


@st.composite
def scenes(draw: st.DrawFn) -> dict[str, Any]:
    """Whole numbers: distances are exact in float32, and many are equal or 0."""
    dims, height, width = (draw(st.integers(1, n)) for n in (3, 4, 4))
    shape = (height, width)
    return {
        "embeddings": draw(
            arrays(np.float32, (dims, *shape), elements=st.integers(-2, 2).map(float))
        ),
        "seediness": draw(
            arrays(np.float32, shape, elements=st.sampled_from([0, 0.25, 0.5, 0.75, 1]))
        ),
        "tau_index": draw(arrays(np.uint8, shape, elements=st.integers(0, 3))),
        "taus": TAUS,
        "max_seeds": draw(st.integers(1, 18)),
        "min_seediness": draw(st.sampled_from([0.0, 0.25, 0.6, 1.0])),
        "exclude_claimed": draw(st.booleans()),
    }


def greedy(scene: dict[str, Any], alpha: float) -> list[int]:
    """The rule in plain Python: for every candidate, the distance to every seed."""
    points: list[list[float]] = scene["embeddings"].reshape(len(scene["embeddings"]), -1).T.tolist()
    seediness: list[float] = scene["seediness"].ravel().tolist()
    tau = TAUS[scene["tau_index"].ravel()].tolist()
    seeds: list[int] = []

    def distance(p: int, q: int) -> float:
        return sum((a - b) ** 2 for a, b in zip(points[p], points[q], strict=True))

    def score(p: int) -> float:
        if not seeds:
            return seediness[p]
        nearest = min(distance(p, s) for s in seeds)
        if nearest == 0 or seediness[p] == 0:
            return -math.inf
        return math.log(seediness[p]) + alpha * math.log(nearest)

    def is_candidate(p: int) -> bool:
        claimed = scene["exclude_claimed"] and any(
            distance(p, s) <= math.log(2 / tau[s] - 1) for s in seeds
        )
        return seediness[p] >= scene["min_seediness"] and p not in seeds and not claimed

    while len(seeds) < scene["max_seeds"]:
        candidates = [p for p in range(len(points)) if is_candidate(p)]
        if not candidates:
            break
        seeds.append(max(candidates, key=lambda p: (score(p), -p)))
    return seeds


def group(**changes: Any) -> Groups:
    """Three pixels at 0, 1 and 3 on a line."""
    arguments: dict[str, Any] = {
        "embeddings": np.array([[[0, 1, 3]]], np.float32),
        "seediness": np.array([[1, 0.5, 0.5]], np.float32),
        "tau_index": np.zeros((1, 3), np.uint8),
        "taus": TAUS,
        "max_seeds": 3,
        "min_seediness": 0.1,
        "exclude_claimed": False,
    }
    groups: Groups = group_pixels(**(arguments | changes))
    return groups


# With these alphas and whole distances, seediness and distance never outweigh each other exactly
# (at 1.0, 0.75 * 2 and 0.25 * 6 do), so that rounding decides no pick and all ties are true ones.
@settings(deadline=None, max_examples=150)
@given(scenes(), st.sampled_from([0.1, 0.3]))
def test_seeds_follow_the_greedy_rule_ties_included(scene: dict[str, Any], alpha: float) -> None:
    groups = group_pixels(**scene, alpha=alpha)
    expected = greedy(scene, alpha)
    assert groups.count == len(expected)
    padding = [-1] * (scene["max_seeds"] - len(expected))
    assert groups.seed_index.tolist() == expected + padding


@settings(deadline=None)
@given(arrays(np.float32, (3, 4, 5), elements=st.floats(-1, 1, width=32)), st.integers(0, 3))
def test_a_mask_is_the_pixels_at_least_tau_similar(embeddings: np.ndarray, tau: int) -> None:
    groups = group_pixels(
        embeddings,
        np.full((4, 5), 0.5, np.float32),
        np.full((4, 5), tau, np.uint8),
        TAUS,
        max_seeds=7,
        min_seediness=0.0,
        exclude_claimed=False,
    )
    pixels = embeddings.reshape(3, -1).astype(np.float64)
    assert groups.count == 7
    for seed, mask in zip(groups.seed_index, groups.masks, strict=True):
        squared = np.square(pixels - pixels[:, [seed]]).sum(axis=0).reshape(4, 5)
        similarity = 2 / (1 + np.exp(squared))
        outside_band = abs(squared - math.log(2 / float(TAUS[tau]) - 1)) > 1e-5
        np.testing.assert_array_equal(mask[outside_band], (similarity >= TAUS[tau])[outside_band])


def test_dtypes_and_padding() -> None:
    groups = group(max_seeds=5)
    assert groups.seed_index.dtype == np.int32
    assert groups.masks.dtype == np.bool_
    assert groups.masks.shape == (5, 1, 3)
    assert (groups.count, groups.seed_index.tolist()) == (3, [0, 2, 1, -1, -1])
    assert not groups.masks[3:].any()


def test_twins_of_a_seed_come_last_lowest_index_first() -> None:
    groups = group(
        embeddings=np.array([[[5, 5, 5, 4]]], np.float32),
        seediness=np.array([[0.5, 0.9, 1, 0.01]], np.float32),
        tau_index=np.zeros((1, 4), np.uint8),
        max_seeds=4,
        min_seediness=0.0,
    )
    assert groups.seed_index.tolist() == [2, 3, 0, 1]


def test_seediness_of_zero_is_picked_without_a_warning() -> None:
    nothing = np.zeros((1, 3), np.float32)
    assert group(seediness=nothing, min_seediness=0.0).seed_index.tolist() == [0, 1, 2]


def test_claimed_pixels_are_no_seeds_when_excluded() -> None:
    assert group(exclude_claimed=True).seed_index.tolist() == [0, 2, -1]


def test_a_map_of_one_pixel() -> None:
    groups = group_pixels(
        np.ones((64, 1, 1), np.float32),
        np.ones((1, 1), np.float32),
        np.zeros((1, 1), np.uint8),
        TAUS,
        max_seeds=2,
        min_seediness=1.0,
        exclude_claimed=True,
    )
    assert (groups.count, groups.seed_index.tolist()) == (1, [0, -1])
    assert groups.masks.tolist() == [[[True]], [[False]]]


def test_no_candidate_at_all() -> None:
    groups = group(seediness=np.full((1, 3), 0.05, np.float32))
    assert (groups.count, groups.seed_index.tolist()) == (0, [-1, -1, -1])
    assert not groups.masks.any()


def test_memory_layout_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    embeddings = np.moveaxis(rng.normal(size=(12, 9, 8)).astype(np.float32), -1, 0)[:, ::2]
    seediness = rng.random((9, 6)).astype(np.float32).T
    tau_index = rng.integers(0, 4, (12, 9)).astype(np.uint8)[::2]
    options: dict[str, Any] = {"max_seeds": 9, "min_seediness": 0.2, "exclude_claimed": True}
    ours = group_pixels(embeddings, seediness, tau_index, TAUS, **options)
    theirs = group_pixels(
        embeddings.copy("C"), seediness.copy("C"), tau_index.copy("C"), TAUS, **options
    )
    np.testing.assert_array_equal(ours.seed_index, theirs.seed_index)
    np.testing.assert_array_equal(ours.masks, theirs.masks)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30])
def test_embeddings_out_of_range_are_refused(bad: float) -> None:
    with pytest.raises(InputError, match="embeddings must be finite with a squared norm"):
        group(embeddings=np.array([[[0, bad, 3]]], np.float32))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"embeddings": np.zeros((1, 1, 3))}, "embeddings must be .* got float64"),
        ({"embeddings": np.zeros((1, 3), np.float32)}, r"float32 \[D, h, w\]"),
        ({"embeddings": np.zeros((0, 1, 3), np.float32)}, "not empty"),
        ({"seediness": np.zeros((3, 1), np.float32)}, r"seediness must be .*\[1, 3\].*\[3, 1\]"),
        ({"seediness": np.full((1, 3), np.nan, np.float32)}, "seediness must lie in 0..1"),
        ({"seediness": np.full((1, 3), 1.5, np.float32)}, r"seediness must lie in 0..1, got 1.5"),
        ({"tau_index": np.zeros((1, 3), np.int64)}, "tau_index must be .*uint8.* got int64"),
        ({"tau_index": np.full((1, 3), 4, np.uint8)}, r"tau_index must lie in 0..3, got 4"),
        ({"taus": np.array([0.5, 1.0], np.float32)}, "taus must lie between 0 and 1"),
        ({"taus": np.array([np.nan], np.float32)}, "taus must lie between 0 and 1"),
        ({"taus": np.array([], np.float32)}, "taus must be .* not empty"),
        ({"taus": [0.5]}, "taus must be .* got list"),
        ({"alpha": 0.0}, "alpha must be a number"),
        ({"alpha": math.nan}, "alpha must be a number"),
        ({"max_seeds": 0}, "max_seeds must be a whole number at least 1, got 0"),
        ({"max_seeds": 2.0}, "max_seeds must be a whole number"),
        ({"min_seediness": -0.1}, "min_seediness must be a number in 0..1, got -0.1"),
        ({"min_seediness": "0.5"}, "min_seediness must be a number"),
    ],
)
def test_wrong_arguments_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        group(**changes)

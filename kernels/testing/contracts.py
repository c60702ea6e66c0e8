"""The contracts of the ops: checks of a result.

The checks compute in float64 with |a - b|^2, and allow for the rounding of float32: seeds may
differ from the exact greedy choice, and masks and labels from the exact ones, only inside a band of
``slack`` around the threshold. They work for any implementation of an op, and raise AssertionError
with the rule that does not hold.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from streamseg.kernels.decode_scores import Scores
from streamseg.kernels.find_runs import Runs
from streamseg.kernels.group_pixels import Groups
from streamseg.kernels.label_pixels import Labels
from streamseg.kernels.testing.cases import Case


def check_scores(case: Case, scores: Scores) -> None:
    """Check decode_scores: the maximum, its threshold and its class are right."""
    y, x = np.indices(case.foreground.shape[1:])
    classes = case.classes.astype(np.float64)[:, y // 2, x // 2]
    probability = expit(case.foreground.astype(np.float64))[:, None] * classes
    _require(scores.seediness.shape == y.shape, "there is a score for every pixel")
    _require(bool((scores.class_id >= 1).all()), "class_id is never background")
    found = probability[scores.tau_index, scores.class_id - 1, y, x]
    largest = probability.max(axis=(0, 1))
    _require(
        np.allclose(scores.seediness, largest, rtol=1e-5, atol=1e-12), "seediness is the maximum"
    )
    _require(np.allclose(found, largest, rtol=1e-5, atol=1e-12), "tau and class are its place")


def check_groups(case: Case, scores: Scores, groups: Groups, *, exclude_claimed: bool) -> None:
    """Check group_pixels with the default alpha: each pick is the best one, each mask right."""
    alpha = 0.3
    seediness = scores.seediness.reshape(-1).astype(np.float64)
    radius = _squared_radius(case)[scores.tau_index.reshape(-1)]
    masks = groups.masks.reshape(case.max_seeds, -1)
    slack = _slack(case)
    seeds = groups.seed_index[: groups.count].tolist()
    _require(len(set(seeds)) == len(seeds), "no seed is picked twice")
    _require(bool((groups.seed_index[groups.count :] == -1).all()), "seeds are padded with -1")
    _require(not masks[groups.count :].any(), "masks are padded with False")

    # with rounding, some pixels are possible but not certain candidates
    possible = scores.seediness.reshape(-1) >= np.float32(case.min_seediness)
    certain = possible.copy()
    nearest = np.full(seediness.shape, np.inf)
    with np.errstate(divide="ignore"):
        for number, (seed, mask) in enumerate(zip(seeds, masks[: groups.count], strict=True)):
            _require(bool(possible[seed]), f"seed {number} is a candidate")
            if number == 0:
                best = np.where(certain, seediness, -1).argmax()
                _require(seed == best, "the first seed is the first of the largest seediness")
            else:
                score = np.log(seediness[seed]) + alpha * np.log(nearest[seed] + slack)
                rival = np.log(seediness) + alpha * np.log(np.maximum(nearest - slack, 0))
                highest = rival[certain].max(initial=-np.inf)
                _require(bool(score >= highest - 1e-5), f"seed {number} is the best left")
            distance = _squared_distance(case, seed)
            outside_band = abs(distance - radius[seed]) > slack
            right = mask == (distance <= radius[seed])
            _require(bool(right[outside_band].all()), f"mask {number} is its similar pixels")
            if exclude_claimed:
                possible &= distance > radius[seed] - slack
                certain &= distance > radius[seed] + slack
            possible[seed] = certain[seed] = False
            nearest = np.minimum(nearest, distance)
    _require(len(seeds) == case.max_seeds or not certain.any(), "no candidate is left out")


def check_labels(
    case: Case, seed_index: NDArray[np.int32], seed_tau: NDArray[np.float32], labels: Labels
) -> None:
    """Check label_pixels: each pixel has the largest interpolated margin, extents are right."""
    label_map = labels.label_map
    _require(label_map.shape == (case.height, case.width), "the label map has the frame's size")
    _, map_height, map_width = case.embeddings.shape
    rows = _interpolation(map_height, case.height)
    columns = _interpolation(map_width, case.width)
    largest = np.full(label_map.shape, -np.inf)
    own = np.full(label_map.shape, -np.inf)
    anything = np.full((map_height, map_width), -np.inf)  # largest margin of each map pixel
    for k, (seed, tau) in enumerate(zip(seed_index.tolist(), seed_tau, strict=True), start=1):
        radius = np.log(2 / np.float64(tau) - 1)
        margin = np.maximum(radius - _squared_distance(case, seed), -radius)
        margin = margin.reshape(map_height, map_width)
        anything = np.maximum(anything, margin)
        margin = rows @ margin @ columns.T
        largest = np.maximum(largest, margin)
        own = np.where(label_map == k, margin, own)
        y, x = np.nonzero(label_map == k)
        _require(labels.area_px[k - 1] == len(y), f"the area of label {k} is its pixels")
        extent = (x.min(), y.min(), x.max() + 1, y.max() + 1) if len(y) else (0, 0, 0, 0)
        _require(tuple(labels.box[k - 1].tolist()) == extent, f"the box of label {k} is tight")
    _require(bool(label_map.max() <= len(seed_index)), "labels are 0..K")
    _check_means(case, seed_index, labels)
    drawn, slack = label_map > 0, _slack(case)
    _require(bool((own >= largest - slack)[drawn].all()), "the largest margin wins")
    if len(seed_index):
        anything = rows @ anything @ columns.T
        outside_band = abs(anything) > slack
        right = drawn == (anything > 0)
        _require(bool(right[outside_band].all()), "labels are where any margin is above 0")


def _check_means(case: Case, seed_index: NDArray[np.int32], labels: Labels) -> None:
    """Compare mean embeddings with a loop over map pixels, at exact positions."""
    dims, map_height, map_width = case.embeddings.shape

    def first_line(line: int, map_size: int, frame_size: int) -> int | None:
        for frame_line in range(frame_size):
            position = Fraction((2 * frame_line + 1) * map_size, 2 * frame_size) - Fraction(1, 2)
            if position >= line:
                return frame_line if position < line + 1 else None
        return None

    rows = [first_line(y, map_height, case.height) for y in range(map_height)]
    columns = [first_line(x, map_width, case.width) for x in range(map_width)]
    members: list[list[NDArray[np.float32]]] = [[] for _ in seed_index]
    for y, row in enumerate(rows):
        for x, column in enumerate(columns):
            if row is not None and column is not None and labels.label_map[row, column]:
                members[labels.label_map[row, column] - 1].append(case.embeddings[:, y, x])
    for k, (seed, own) in enumerate(zip(seed_index, members, strict=True)):
        of_seed = case.embeddings.reshape(dims, -1)[:, seed]
        mean = np.mean(own or [of_seed], axis=0, dtype=np.float64)
        close = np.allclose(labels.embedding[k], mean, rtol=1e-4, atol=1e-5)
        _require(close, f"embedding {k} is the mean of its label")


def check_runs(label_map: NDArray[np.uint16], runs: Runs) -> None:
    """Check find_runs: decoded runs give the map, and neighbouring runs differ."""
    height, width = label_map.shape
    _require(bool((np.diff(runs.start) > 0).all() and runs.start[0] == 0), "runs rise from 0")
    _require(bool((runs.label[1:] != runs.label[:-1]).all()), "runs are as long as can be")
    lengths = np.diff(runs.start, append=height * width)
    restored = np.repeat(runs.label, lengths).reshape(width, height).T
    _require(np.array_equal(restored, label_map), "the runs are those of the map")


def _require(kept: bool, rule: str) -> None:
    if not kept:
        raise AssertionError(f"contract violated: {rule}")


def _slack(case: Case) -> float:
    """Bound the float32 rounding of |a|^2 + |b|^2 - 2ab."""
    return float(1e-6 * (1 + 2 * np.square(case.embeddings, dtype=np.float64).sum(axis=0).max()))


def _squared_radius(case: Case) -> NDArray[np.float64]:
    return np.log(2 / case.taus.astype(np.float64) - 1)


def _squared_distance(case: Case, seed: int) -> NDArray[np.float64]:
    pixels = case.embeddings.reshape(len(case.embeddings), -1).astype(np.float64)
    distance: NDArray[np.float64] = np.square(pixels - pixels[:, [seed]]).sum(axis=0)
    return distance


def _interpolation(map_size: int, frame_size: int) -> NDArray[np.float64]:
    """Compute weights [frame, map] of bilinear interpolation, half-pixel centres, clamped."""
    position = (np.arange(frame_size) + 0.5) * map_size / frame_size - 0.5
    position = position.clip(0, map_size - 1)
    weights: NDArray[np.float64] = np.maximum(1 - abs(position[:, None] - np.arange(map_size)), 0)
    return weights

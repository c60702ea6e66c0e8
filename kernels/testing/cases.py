"""Named inputs for the tests and the benchmark."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter
from scipy.special import softmax

from streamseg.kernels.decode_scores import Scores
from streamseg.kernels.group_pixels import Groups, group_pixels

_CAR, _PERSON = 7, 15


@dataclass(frozen=True, eq=False)
class Case:
    """Outputs that a network could give for an image, and settings of the grouping."""

    embeddings: NDArray[np.float32]
    """[D, h, w]"""
    foreground: NDArray[np.float32]
    """[4, h, w], logits"""
    classes: NDArray[np.float32]
    """[C, ceil(h/2), ceil(w/2)], probabilities"""
    height: int
    """H"""
    width: int
    """W"""
    max_seeds: int = 32
    min_seediness: float = 0.3

    @property
    def taus(self) -> NDArray[np.float32]:
        """[4], the thresholds of the paper."""
        return np.array([0.25, 0.5, 0.75, 0.9], np.float32)

    def group(self, scores: Scores, *, exclude_claimed: bool) -> Groups:
        """Run the reference of ``group_pixels`` on the case and its scores."""
        return group_pixels(
            self.embeddings,
            scores.seediness,
            scores.tau_index,
            self.taus,
            max_seeds=self.max_seeds,
            min_seediness=self.min_seediness,
            exclude_claimed=exclude_claimed,
        )


def street(
    map_height: int = 96,
    map_width: int = 160,
    *,
    dims: int = 64,
    classes: int = 20,
    objects: int = 28,
    scale: int = 4,
) -> Case:
    """Make outputs like a trained network's: cars and people before sky, houses and road.

    Each object has one embedding, far from all others. Near objects are larger and cover far ones.
    All maps are blurred, as by upsampling, and noisy. About 30% of the map are objects.
    """
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:map_height, 0:map_width] / map_height
    region = np.minimum(3 * y, 2).astype(np.intp)  # sky, houses, road
    class_of = np.zeros(3 + objects, np.intp)
    for number, nearness in enumerate(np.sort(rng.random(objects)), start=3):
        radius = 0.03 + 0.12 * nearness**2
        centre_y = 0.4 + 0.4 * nearness + rng.normal(0, 0.03)
        centre_x = rng.random() * map_width / map_height
        is_car = rng.random() < 0.5
        aspect, roundness = (1.6, 6) if is_car else (0.6, 2)
        off_y, off_x = abs(y - centre_y) * aspect, abs(x - centre_x) / aspect
        region[off_y**roundness + off_x**roundness < radius**roundness] = number
        class_of[number] = _CAR if is_car else _PERSON

    centres = rng.normal(0, 2 / dims**0.5, (dims, 3 + objects))  # about 8 apart, squared
    embeddings = uniform_filter(centres[:, region], (0, 3, 3))
    embeddings += rng.normal(0, 0.24 / dims**0.5, embeddings.shape)
    blurred = uniform_filter(np.eye(classes + 1)[:, class_of[region]], (0, 5, 5))
    foreground = 7 - 14 * blurred[0] + rng.normal(0, 0.5, (4, map_height, map_width))
    foreground += rng.uniform(-1, 1, (4, 3 + objects))[:, region]  # each object has its best tau
    return Case(
        embeddings.astype(np.float32),
        foreground.astype(np.float32),
        _probabilities(rng, 7 * blurred[1:, ::2, ::2], 0.5),
        scale * map_height,
        scale * map_width,
    )


def alike(map_height: int = 96, map_width: int = 160, *, dims: int = 64, classes: int = 20) -> Case:
    """Make outputs like an untrained network's: every pixel is a candidate and in every mask."""
    rng = np.random.default_rng(0)
    return Case(
        rng.normal(0, 0.05, (dims, map_height, map_width)).astype(np.float32),
        rng.normal(0, 0.1, (4, map_height, map_width)).astype(np.float32),
        _probabilities(rng, np.zeros((classes, *_half(map_height, map_width))), 0.1),
        4 * map_height,
        4 * map_width,
        min_seediness=0.0,
    )


def random(map_height: int, map_width: int, height: int, width: int) -> Case:
    """Make noise: masks of a few scattered pixels; three classes of four."""
    rng = np.random.default_rng(0)
    return Case(
        rng.normal(0, 0.5, (3, map_height, map_width)).astype(np.float32),
        rng.normal(0, 2, (4, map_height, map_width)).astype(np.float32),
        _probabilities(rng, np.zeros((4, *_half(map_height, map_width))), 2)[1:],
        height,
        width,
    )


def ties() -> Case:
    """Make whole numbers and halves: many scores, distances and margins are exactly equal."""
    rng = np.random.default_rng(0)
    return Case(
        rng.integers(0, 2, (2, 9, 11)).astype(np.float32),
        rng.integers(0, 2, (4, 9, 11)).astype(np.float32),
        (rng.integers(0, 2, (2, 5, 6)) / 2).astype(np.float32),
        36,
        44,
        min_seediness=0.0,
    )


def many_classes() -> Case:
    """Make 300 classes: more than a byte counts, and more than a kernel reads at once.

    The best class of each cell is another one, up to the last; in most cells a later one ties.
    """
    case = random(5, 9, 20, 36)
    classes = np.random.default_rng(0).integers(0, 3, (300, 3, 5)) / 4
    for cell, best in enumerate(range(299, 0, -20)):
        classes[best::130, cell // 5, cell % 5] = 0.75
    return replace(case, classes=classes.astype(np.float32), min_seediness=0.0)


def non_contiguous() -> Case:
    """Make channels last in memory, from every second row of a larger array."""
    case = random(14, 10, 33, 20)
    embeddings, foreground, classes = (
        np.moveaxis(np.moveaxis(values, 0, -1).copy(), -1, 0)[:, ::2]
        for values in (case.embeddings, case.foreground, case.classes)
    )
    return replace(case, embeddings=embeddings, foreground=foreground, classes=classes)


def _half(height: int, width: int) -> tuple[int, int]:
    """Return the size of the map of classes."""
    return (height + 1) // 2, (width + 1) // 2


def _probabilities(
    rng: np.random.Generator, logits: NDArray[np.float64], noise: float
) -> NDArray[np.float32]:
    """Add noise to logits [C, h, w]; return their softmax."""
    probabilities: NDArray[np.float64] = softmax(rng.normal(logits, noise), axis=0)
    return probabilities.astype(np.float32)


CASES: Mapping[str, Callable[[], Case]] = {
    "street": lambda: street(24, 40, dims=16),
    "alike": lambda: alike(12, 20, dims=16),
    "random": lambda: random(13, 17, 50, 71),
    "downsampled": lambda: random(31, 23, 7, 19),
    "one pixel": lambda: replace(random(1, 1, 3, 2), min_seediness=0.0),
    "one row": lambda: random(1, 9, 4, 30),
    "one column": lambda: random(9, 1, 30, 4),
    "ties": ties,
    "many classes": many_classes,
    "more seeds than pixels": lambda: replace(random(3, 4, 12, 16), min_seediness=0.0),
    "no candidate": lambda: replace(random(5, 6, 20, 24), min_seediness=1.0),
    "non-contiguous": non_contiguous,
}
"""Functions that make small inputs; the benchmark calls ``street`` at full size."""

"""Network output → disjoint instances, in numpy."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from streamseg.config import DEFAULT_SCORE_THRESHOLD
from streamseg.errors import ConfigError
from streamseg.kernels import (
    Groups,
    Scores,
    choose_seeds,
    decode_scores,
    group_pixels,
    label_pixels,
)
from streamseg.kernels.group_pixels.reference import LARGEST_ALPHA, LEAST_ALPHA
from streamseg.results import NetworkOutput, Segments

PAPER_ALPHA: Final = 0.3
"""The best weight of a seed's distance from earlier seeds in the paper (Table 2)."""


@dataclass(frozen=True)
class GroupingConfig:
    """Options of the grouping.

    Raises:
        ConfigError: a value is outside its range.
    """

    min_score: float = DEFAULT_SCORE_THRESHOLD
    """Least score of a seed."""
    max_instances: int = 64
    min_area: float = 2e-4
    """Least area of an instance, as a share of the image."""
    min_visible: float = 0.7
    """Least share of a seed's mask that the kept masks with higher scores do not cover."""
    alpha: float = PAPER_ALPHA
    """Weight of a seed's distance from earlier seeds, equation (4)."""

    def __post_init__(self) -> None:
        """Check every range."""
        if not 0 <= self.min_score <= 1:
            raise ConfigError(f"min_score must lie between 0 and 1, got {self.min_score}")
        if self.max_instances < 1:
            raise ConfigError(f"max_instances must be at least 1, got {self.max_instances}")
        if not 0 <= self.min_area < 1:
            raise ConfigError(f"min_area must be at least 0 and below 1, got {self.min_area}")
        if not 0 <= self.min_visible <= 1:
            raise ConfigError(f"min_visible must lie between 0 and 1, got {self.min_visible}")
        if not LEAST_ALPHA <= self.alpha <= LARGEST_ALPHA:
            raise ConfigError(f"alpha must be above 0, up to {LARGEST_ALPHA:g}, got {self.alpha}")


def find_segments(
    output: NetworkOutput,
    taus: Sequence[float],
    config: GroupingConfig,
    *,
    height: int,
    width: int,
) -> Segments:
    """Group pixels into disjoint instances.

    Args:
        output: of the network for an image of height×width.
        taus: T similarity thresholds of the network.
        config: which instances to keep.
        height: of the image in pixels.
        width: of the image in pixels.

    Returns:
        Instances, highest score first; the label map has the image's size.

    Raises:
        InputError: the output holds NaN or infinity.
    """
    tau_array = np.asarray(taus, np.float32)
    scores, groups = score_and_pick_seeds(
        output,
        tau_array,
        alpha=config.alpha,
        max_seeds=config.max_instances,
        min_seediness=config.min_score,
        exclude_claimed=True,
    )
    seeds = choose_seeds(
        groups.seed_index[: groups.count],
        groups.masks[: groups.count],
        scores.seediness,
        min_visible=config.min_visible,
    )
    tau = tau_array[scores.tau_index.flat[seeds]]
    labels = label_pixels(output.embeddings, seeds, tau, height=height, width=width)

    found = Segments(
        label_map=labels.label_map,
        class_id=scores.class_id.flat[seeds].astype(np.int64),
        score=scores.seediness.flat[seeds],
        box=labels.box,
        area_px=labels.area_px,
        seed_yx=frame_position(seeds, output.foreground.shape[1:], height, width),
        tau=tau,
        embedding=labels.embedding,
    )
    return found.select(labels.area_px >= max(1, config.min_area * height * width))


def reaches_threshold(segments: Segments, thresholds: Sequence[float]) -> NDArray[np.bool_]:
    """Whether the score of each of M instances reaches the threshold of its class, [M].

    Args:
        segments: the instances.
        thresholds: C scores, one per class; empty if every score is enough.
    """
    if not thresholds:
        return np.ones(len(segments), bool)
    of_class = np.asarray(thresholds, np.float32)[segments.class_id - 1]
    reached: NDArray[np.bool_] = segments.score >= of_class
    return reached


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController()


def one_blas_thread() -> AbstractContextManager[Any]:
    """Limit numpy's matrix products to one thread.

    The threads of a BLAS keep spinning after each product, which slows down the network.
    """
    limiter: AbstractContextManager[Any] = _blas().limit(limits=1, user_api="blas")
    return limiter


def score_and_pick_seeds(
    output: NetworkOutput,
    taus: NDArray[np.float32],
    *,
    alpha: float,
    max_seeds: int,
    min_seediness: float,
    exclude_claimed: bool,
) -> tuple[Scores, Groups]:
    """Score pixels and pick seeds, equations (3) to (6), (8) and (9).

    For streaming and the paper's setting.

    Args:
        output: of the network.
        taus: float32 [T], similarity thresholds of the network.
        alpha: see ``group_pixels``.
        max_seeds: see ``group_pixels``.
        min_seediness: see ``group_pixels``.
        exclude_claimed: True for streaming, False for the paper's setting.
    """
    scores = decode_scores(output.foreground, output.classes)
    groups = group_pixels(
        output.embeddings,
        scores.seediness,
        scores.tau_index,
        taus,
        alpha=alpha,
        max_seeds=max_seeds,
        min_seediness=min_seediness,
        exclude_claimed=exclude_claimed,
    )
    return scores, groups


def frame_position(
    seeds: NDArray[np.signedinteger[Any]], map_shape: tuple[int, int], height: int, width: int
) -> NDArray[np.int64]:
    """Convert flat map indices to y, x of the map pixels' centres in the image, [K, 2]."""
    yx = np.stack(np.unravel_index(seeds, map_shape), axis=1)
    return ((yx + 0.5) * (height, width) / map_shape).astype(np.int64)

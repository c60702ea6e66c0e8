"""Greedy diverse seeds and the mask of each, equations (3), (4) and (5) of docs/method.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamseg.kernels.checks import (
    check_array,
    check_between,
    check_count,
    check_number,
    check_thresholds,
)
from streamseg.kernels.similarity import squared_norms, squared_radius

LEAST_ALPHA: Final = float(np.finfo(np.float32).tiny)
"""So small that the distance only decides between equal seedinesses; with 0, 0 * log 0 is NaN."""
LARGEST_ALPHA: Final = 1e6


@dataclass(frozen=True, eq=False)
class Groups:
    """Seeds in the order of picking, and the mask of each."""

    seed_index: NDArray[np.int32]
    """[max_seeds]: flat pixel index y*w + x; -1 from ``count`` on."""
    count: int
    """Number of seeds picked; fewer than max_seeds when the candidates ran out."""
    masks: NDArray[np.bool_]
    """[max_seeds, h, w]: the pixels similar to each seed; masks overlap; empty from ``count``."""


def group_pixels(
    embeddings: NDArray[np.float32],
    seediness: NDArray[np.float32],
    tau_index: NDArray[np.uint8],
    taus: NDArray[np.float32],
    *,
    alpha: float = 0.3,
    max_seeds: int,
    min_seediness: float,
    exclude_claimed: bool,
) -> Groups:
    """Pick seeds of high seediness that differ from each other, and grow a mask from each.

    Candidates are the pixels with ``seediness >= min_seediness``. The first seed has the largest
    seediness; each next one the largest log S_p + alpha * log(min over seeds s of d2(p, s))
    among the remaining candidates (4) (5). A picked seed is removed from the candidates.
    ``exclude_claimed`` also removes the pixels of its mask. Ties go to the lowest pixel index.
    Candidates with the embedding of a seed (d2 = 0) or with S = 0 score -inf: they come last,
    lowest index first. The mask of a seed has every pixel with d2 <= ln(2/tau - 1), where tau is
    the seed's (3).

    Args:
        embeddings: float32 [D, h, w].
        seediness: float32 [h, w], 0..1.
        tau_index: uint8 [h, w], each below T.
        taus: float32 [T], 0 < tau < 1.
        alpha: weight of the diversity, above 0; the paper found 0.3 best.
        max_seeds: K, at least 1.
        min_seediness: 0..1.
        exclude_claimed: remove the pixels of each mask from the candidates (streaming). False is
            the paper's setting: proposals may overlap.

    Returns:
        Seeds and masks, padded to max_seeds.

    Raises:
        InputError: another shape or dtype, a value out of range, NaN or infinity.
    """
    check_array("embeddings", embeddings, np.float32, ("D", "h", "w"))
    shape = embeddings.shape[1:]
    check_array("seediness", seediness, np.float32, shape)
    check_between("seediness", seediness, 0, 1)
    check_array("tau_index", tau_index, np.uint8, shape)
    check_array("taus", taus, np.float32, ("T",))
    check_thresholds("taus", taus)
    check_between("tau_index", tau_index, 0, len(taus) - 1)
    check_number("alpha", alpha, LEAST_ALPHA, LARGEST_ALPHA)
    check_count("max_seeds", max_seeds, 1)
    check_number("min_seediness", min_seediness, 0, 1)

    pixels = embeddings.reshape(len(embeddings), -1)
    norms = squared_norms(pixels)
    radius = squared_radius(taus)[tau_index.reshape(-1)]
    likely = seediness.reshape(-1)
    candidates = np.flatnonzero(likely >= np.float32(min_seediness))
    points = pixels if len(candidates) == len(norms) else pixels.take(candidates, axis=1)
    picks = _pick(
        points,
        norms[candidates],
        likely[candidates],
        radius[candidates] if exclude_claimed else np.full(len(candidates), -1, np.float32),
        alpha,
        max_seeds,
    )

    seeds = candidates[picks]
    count = len(seeds)
    seed_index = np.full(max_seeds, -1, np.int32)
    seed_index[:count] = seeds
    masks = np.zeros((max_seeds, len(norms)), np.bool_)
    # |a|^2 + |b|^2 - 2ab <= r, with the terms of the seed alone on the right side
    closeness = 2 * pixels[:, seeds].T @ pixels
    closeness -= norms
    np.greater_equal(closeness, (norms[seeds] - radius[seeds])[:, None], out=masks[:count])
    return Groups(seed_index, count, masks.reshape(max_seeds, *shape))


def _pick(
    points: NDArray[np.float32],
    norms: NDArray[np.float32],
    seediness: NDArray[np.float32],
    claim_radius: NDArray[np.float32],
    alpha: float,
    max_seeds: int,
) -> list[int]:
    """Pick seeds among n candidates by (4), one matrix-vector product per round.

    Args:
        points: float32 [D, n], embeddings of the candidates.
        norms: float32 [n], their |e|^2.
        seediness: float32 [n].
        claim_radius: float32 [n]: a seed removes the candidates within this squared distance.
        alpha: weight of the diversity.
        max_seeds: most seeds to pick.

    Returns:
        Positions 0..n-1 of the seeds, in the order they were picked.
    """
    picks: list[int] = []
    alive = np.ones(len(norms), np.bool_)
    nearest = np.full(len(norms), np.inf, np.float32)
    with np.errstate(divide="ignore"):  # log 0 is -inf, as intended
        log_seediness = np.log(seediness)
        score = seediness  # in the first round there is no seed yet
        while len(picks) < max_seeds and alive.any():
            best = int(score.argmax())
            if score[best] == -np.inf:  # then all that remain have this score, as removed ones do
                best = int(alive.argmax())
            picks.append(best)
            distance = (-2 * points[:, best]) @ points
            distance += norms
            distance += norms[best]
            np.maximum(distance, 0, out=distance)
            alive &= distance > claim_radius[best]
            alive[best] = False
            np.minimum(nearest, distance, out=nearest)
            score = np.log(nearest)
            score *= np.float32(alpha)
            score += log_seediness
            np.copyto(score, -np.inf, where=~alive)
    return picks

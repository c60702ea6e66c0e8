"""Network output → the paper's proposals: one mask per seed; masks may overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamseg.errors import InputError
from streamseg.grouping.cpu import PAPER_ALPHA, frame_position, score_and_pick_seeds
from streamseg.kernels.group_pixels.reference import LARGEST_ALPHA, LEAST_ALPHA
from streamseg.kernels.similarity import seed_margins
from streamseg.results import NetworkOutput, Proposals


def propose(
    output: NetworkOutput,
    taus: Sequence[float],
    *,
    max_seeds: int,
    height: int,
    width: int,
    alpha: float = PAPER_ALPHA,
) -> Proposals:
    """Make overlapping proposals as in the paper: greedy seeds, each with its whole mask.

    Args:
        output: of the network, for an image of height×width.
        taus: T similarity thresholds of the network.
        max_seeds: K, number of proposals; about 100 cover nearly all objects.
        height: of the image in pixels.
        width: of the image in pixels.
        alpha: weight of a seed's distance from earlier seeds, equation (4), 0 to 1e6; with 0,
            seeds are picked by seediness only.

    Returns:
        Proposals, highest score first; masks from similarity interpolated to the image's size.

    Raises:
        InputError: the output holds NaN or infinity, or ``alpha`` is out of range.
    """
    if not 0 <= alpha <= LARGEST_ALPHA:
        raise InputError(f"alpha must lie between 0 and {LARGEST_ALPHA:g}, got {alpha}")
    tau_array = np.asarray(taus, np.float32)
    scores, groups = score_and_pick_seeds(
        output,
        tau_array,
        alpha=max(alpha, LEAST_ALPHA),
        max_seeds=max_seeds,
        min_seediness=0.0,
        exclude_claimed=False,
    )
    seeds = groups.seed_index[: groups.count]
    pick = np.argsort(-scores.seediness.flat[seeds], kind="stable")
    seeds = seeds[pick]
    tau = tau_array[scores.tau_index.flat[seeds]]
    return Proposals(
        masks=seed_masks(output.embeddings, seeds, tau, height=height, width=width),
        class_id=scores.class_id.flat[seeds].astype(np.int64),
        score=scores.seediness.flat[seeds],
        pick=pick,
        seed_yx=frame_position(seeds, output.foreground.shape[1:], height, width),
        tau=tau,
    )


def seed_masks(
    embeddings: NDArray[np.float32],
    seed_index: NDArray[np.int32],
    seed_tau: NDArray[np.float32],
    *,
    height: int,
    width: int,
) -> NDArray[np.bool_]:
    """Grow the mask of each seed, equation (3), and enlarge it to the image.

    As in ``label_pixels`` with one seed: its margin (``seed_margins``) is interpolated bilinearly
    with half-pixel centres, and the mask is where it is above 0. An interpolated value lies between
    those at the four map pixels around it, so only pixels where these differ are interpolated.

    Args:
        embeddings: float32 [D, h, w].
        seed_index: int32 [K], flat map pixel index y*w + x of each seed; K may be 0.
        seed_tau: float32 [K], 0 < tau < 1.
        height: H of the image in pixels.
        width: W of the image in pixels.

    Returns:
        Bool [K, H, W].

    Raises:
        InputError: an embedding is NaN or infinite.
    """
    map_shape = embeddings.shape[1:]
    pixels = embeddings.reshape(len(embeddings), -1)
    margins = seed_margins(pixels, seed_index, seed_tau)

    # one more map pixel on each side, so that every image pixel lies between four
    corners = np.pad(margins.reshape(-1, *map_shape), ((0, 0), (1, 1), (1, 1)), mode="edge")
    inside = corners > 0
    # of the four corners of each cell, [K, h+1, w+1]
    all_inside, any_inside = inside[:, 1:] & inside[:, :-1], inside[:, 1:] | inside[:, :-1]
    all_inside = all_inside[..., 1:] & all_inside[..., :-1]
    any_inside = any_inside[..., 1:] | any_inside[..., :-1]
    has_outline = any_inside & ~all_inside

    rows, columns = _axis(map_shape[0], height), _axis(map_shape[1], width)
    masks: NDArray[np.bool_] = all_inside.take(columns.cell, axis=2).take(rows.cell, axis=1)
    for mask, corner, cells in zip(masks, corners, has_outline, strict=True):
        contested = cells.take(columns.cell, axis=1).take(rows.cell, axis=0)
        # flatnonzero and take are several times faster than nonzero and pairs of indices
        pixel = np.flatnonzero(contested)
        y, x = np.divmod(pixel, width)
        down, along = rows.weight.take(y), columns.weight.take(x)
        values, stride = corner.ravel(), corner.shape[1]
        at = rows.cell.take(y) * stride + columns.cell.take(x)
        near = values.take(at) * (1 - down) + values.take(at + stride) * down
        far = values.take(at + 1) * (1 - down) + values.take(at + stride + 1) * down
        mask.reshape(-1)[pixel] = near * (1 - along) + far * along > 0
    return masks


@dataclass(frozen=True, eq=False)
class _Axis:
    """Positions of the image's lines (rows or columns) between the lines of the padded map."""

    cell: NDArray[np.intp]
    """[image size]: the padded map line before each image line."""
    weight: NDArray[np.float32]
    """[image size]: weight of the padded map line after it, 0..1."""


def _axis(map_size: int, image_size: int) -> _Axis:
    position = (np.arange(image_size) + 0.5) * (map_size / image_size) + 0.5
    cell = np.floor(position).astype(np.intp)
    return _Axis(cell, (position - cell).astype(np.float32))

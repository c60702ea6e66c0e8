"""Similarity of two pixels as a squared distance, equations (1) and (3) of docs/method.md.

    sigma(p, q) = 2 / (1 + exp(d2)),   d2 = |e_p - e_q|^2 = |e_p|^2 + |e_q|^2 - 2 e_p.e_q

sigma falls with d2, so ``sigma >= tau`` is ``d2 <= ln(2/tau - 1)``: the ops need no sigma.
With the expanded square, all distances to a seed are one matrix product. Rounding then gives two
equal embeddings a distance of about 1e-7 |e|^2 instead of 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamseg.errors import InputError
from streamseg.kernels.checks import LARGEST_SQUARED_NORM


def squared_norms(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute |e|^2 of every pixel; refuse embeddings that are not finite.

    Args:
        pixels: float32 [D, N].

    Returns:
        float32 [N].

    Raises:
        InputError: a norm is NaN, infinite or above ``LARGEST_SQUARED_NORM``.
    """
    with np.errstate(over="ignore"):
        norms: NDArray[np.float32] = np.einsum("dn,dn->n", pixels, pixels)
    # NaN and infinity survive both the sum and the max, so one comparison finds both
    if not norms.max() <= LARGEST_SQUARED_NORM:
        raise InputError(
            "embeddings must be finite with a squared norm of at most "
            f"{LARGEST_SQUARED_NORM:g} in every pixel, got {norms.max()}"
        )
    return norms


def squared_radius(taus: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute the largest squared distance with a similarity of ``taus`` or more: ln(2/tau - 1).

    >>> squared_radius(np.array([0.25, 0.5, 0.75, 0.9], np.float32)).round(3).tolist()
    [1.9459999799728394, 1.0989999771118164, 0.5109999775886536, 0.20100000500679016]

    Args:
        taus: float32, any shape, each 0 < tau < 1.

    Returns:
        float32 of the same shape, each above 0.
    """
    return np.log(2 / taus.astype(np.float64) - 1).astype(np.float32)


def seed_margins(
    pixels: NDArray[np.float32], seed_index: NDArray[np.int32], seed_tau: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Compute how far inside the mask of each seed (3) every pixel lies: ln(2/tau - 1) - d2.

    A margin is at least -ln(2/tau - 1): otherwise pixels far beyond the threshold would move an
    outline inwards when margins are interpolated.

    Args:
        pixels: float32 [D, N].
        seed_index: int32 [K], positions of the seeds among the pixels; K may be 0.
        seed_tau: float32 [K], 0 < tau < 1.

    Returns:
        float32 [K, N], above 0 inside the mask.

    Raises:
        InputError: an embedding is NaN, infinite or too large.
    """
    norms = squared_norms(pixels)
    radius = squared_radius(seed_tau)[:, None]
    margins: NDArray[np.float32] = 2 * pixels[:, seed_index].T @ pixels
    margins -= norms
    margins += radius - norms[seed_index][:, None]
    np.clip(margins, -radius, radius, out=margins)
    return margins

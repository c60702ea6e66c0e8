"""Seediness, threshold and class of every pixel, equations (6), (8) and (9) of docs/method.md."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamseg.errors import InputError
from streamseg.kernels.checks import check_array, check_finite
from streamseg.kernels.first_argmax import first_argmax


@dataclass(frozen=True, eq=False)
class Scores:
    """Score, threshold and class of every pixel as a seed."""

    seediness: NDArray[np.float32]
    """[h, w], 0..1: the largest probability of any class at any threshold."""
    tau_index: NDArray[np.uint8]
    """[h, w], 0..T-1: the threshold of that probability."""
    class_id: NDArray[np.uint16]
    """[h, w], 1..C: the class of that probability."""


def decode_scores(foreground: NDArray[np.float32], classes: NDArray[np.float32]) -> Scores:
    """Turn foreground and classes into seediness, threshold and class.

    The distribution of equation (6) has two factors, C(τ, p, c) = F(τ, p) · Q(p, c). So its
    maximum over thresholds and classes (8) is the product of two maxima, and threshold and class
    (9) are those of the two maxima. Ties go to the lowest threshold and to the lowest class.

    Args:
        foreground: float32 [T, h, w], logits of F, 1 <= T <= 255.
        classes: float32 [C, ceil(h/2), ceil(w/2)], Q, 1 <= C <= 65535. Pixel y, x reads
            y // 2, x // 2.

    Returns:
        seediness float32, tau_index uint8 and class_id uint16, each [h, w].

    Raises:
        InputError: another shape or dtype, NaN or infinity.
    """
    check_array("foreground", foreground, np.float32, ("T", "h", "w"))
    check_array("classes", classes, np.float32, ("C", "ceil(h/2)", "ceil(w/2)"))
    thresholds, height, width = foreground.shape
    check_counts(thresholds, classes.shape, height, width)
    check_finite("foreground", foreground)
    check_finite("classes", classes)

    logit, tau_index = first_argmax(foreground.reshape(thresholds, -1))
    probability, best_class = first_argmax(classes.reshape(len(classes), -1))
    with np.errstate(over="ignore"):  # of a very low logit: 1 / infinity is 0, as intended
        foreground_probability = 1 / (1 + np.exp(-logit, dtype=np.float32))
    rows, columns = (np.arange(side) // 2 for side in (height, width))
    coarse = (rows[:, None] * classes.shape[2] + columns).reshape(-1)
    shape = (height, width)
    return Scores(
        (foreground_probability * probability[coarse]).reshape(shape),
        tau_index.astype(np.uint8, copy=False).reshape(shape),
        (best_class.astype(np.uint16) + np.uint16(1))[coarse].reshape(shape),
    )


def check_counts(thresholds: int, classes: tuple[int, ...], height: int, width: int) -> None:
    """Refuse maps of sizes that do not fit.

    Args:
        thresholds: T.
        classes: shape of the map of classes.
        height: h of the foreground.
        width: w of the foreground.

    Raises:
        InputError: they do not fit, or there are more thresholds than a byte counts, or more
            classes than two bytes do.
    """
    expected = (height + 1) // 2, (width + 1) // 2
    if classes[1:] != expected:
        raise InputError(
            f"classes must be a map of {expected} for a foreground of {(height, width)}, "
            f"got {classes[1:]}"
        )
    if not (1 <= thresholds <= 255 and 1 <= classes[0] <= 65535):
        raise InputError(
            f"there must be 1..255 thresholds and 1..65535 classes, "
            f"got {thresholds} and {classes[0]}"
        )

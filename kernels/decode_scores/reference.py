"""Seediness, threshold and class of every pixel, equations (6), (8) and (9) of the paper."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamseg.errors import InputError
from streamseg.kernels.checks import check_array, check_finite
from streamseg.kernels.first_argmax import first_argmax


@dataclass(frozen=True, eq=False)
class Scores:
    """What the classification head says about every pixel."""

    seediness: NDArray[np.float32]
    """[h, w], 0..1: the largest probability of any class at any threshold."""
    tau_index: NDArray[np.uint8]
    """[h, w], 0..T-1: the threshold at which it was found."""
    class_id: NDArray[np.uint8]
    """[h, w], 1..C: the class it was found for."""


def decode_scores(logits: NDArray[np.float32]) -> Scores:
    """Turn the mask classification logits into seediness, threshold and class.

    Softmax over the C+1 classes at each threshold (6), then the maximum over thresholds and over
    classes other than background (8); threshold and class are where it is reached (9). Ties go
    to the lowest threshold, then to the lowest class.

    The largest foreground probability is 1 / sum_c exp(l_c - m), m the largest foreground logit:
    one pass of exp, and no quotient but this. A background more than 88 above m overflows the
    sum to infinity, which gives the right seediness, 0.

    Args:
        logits: float32 [T, C+1, h, w], background first, 1 <= T, C <= 255.

    Returns:
        seediness float32, tau_index uint8 and class_id uint8, each [h, w].

    Raises:
        InputError: another shape or dtype, NaN or infinity.
    """
    check_array("logits", logits, np.float32, ("T", "C+1", "h", "w"))
    thresholds, channels, height, width = logits.shape
    if thresholds > 255 or not 2 <= channels <= 256:
        raise InputError(
            "logits must hold 1..255 thresholds and 2..256 classes, background counted, "
            f"got {thresholds} and {channels}"
        )
    check_finite("logits", logits)

    stacks = logits.reshape(thresholds, channels, height * width)
    probability = np.empty((thresholds, height * width), np.float32)
    best_class = np.empty(probability.shape, np.uint8)
    relative = np.empty(stacks.shape[1:], np.float32)
    for tau, stack in enumerate(stacks):
        largest, best_class[tau] = first_argmax(stack[1:])
        with np.errstate(over="ignore"):
            np.subtract(stack, largest, out=relative)
            np.exp(relative, out=relative)
        np.divide(1, relative.sum(axis=0), out=probability[tau])
    seediness, tau_index = first_argmax(probability)
    class_id = np.take_along_axis(best_class, tau_index[None].astype(np.intp), axis=0)[0] + 1

    shape = (height, width)
    return Scores(
        seediness.reshape(shape),
        tau_index.astype(np.uint8, copy=False).reshape(shape),
        class_id.reshape(shape),
    )

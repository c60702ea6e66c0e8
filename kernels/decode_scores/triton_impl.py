"""Seediness, threshold and class of every pixel in one launch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from streamseg.kernels.decode_scores.launch import decode_scores_launch
from streamseg.kernels.decode_scores.reference import check_counts
from streamseg.kernels.device_checks import check_tensor
from streamseg.kernels.triton_launch import start


@dataclass(frozen=True, eq=False)
class DeviceScores:
    """``Scores`` as tensors on the device."""

    seediness: Tensor
    """float32 [h, w]."""
    tau_index: Tensor
    """uint8 [h, w]."""
    class_id: Tensor
    """uint16 [h, w]."""


def decode_scores(foreground: Tensor, classes: Tensor) -> DeviceScores:
    """Run ``streamseg.kernels.decode_scores`` on a GPU in one launch; return at once.

    NaN and infinity are not checked: that would wait for the GPU.

    Args:
        foreground: float16, bfloat16 or float32 [T, h, w], of any strides without gaps between the
            rows; other layouts are copied.
        classes: [C, ceil(h/2), ceil(w/2)], of the same dtype; strides as above.

    Raises:
        InputError: another shape or dtype.
    """
    check_tensor("foreground", foreground, None, ("T", "h", "w"))
    check_tensor("classes", classes, foreground.dtype, ("C", "ceil(h/2)", "ceil(w/2)"))
    thresholds, height, width = foreground.shape
    check_counts(thresholds, tuple(classes.shape), height, width)
    foreground, classes = gapless(foreground), gapless(classes)
    shape, device = (height, width), foreground.device
    scores = DeviceScores(
        torch.empty(shape, dtype=torch.float32, device=device),
        torch.empty(shape, dtype=torch.uint8, device=device),
        torch.empty(shape, dtype=torch.uint16, device=device),
    )
    start(
        decode_scores_launch(
            thresholds, len(classes), shape, plane_strides(foreground), plane_strides(classes)
        ),
        foreground=foreground,
        classes=classes,
        seediness=scores.seediness,
        tau_index=scores.tau_index,
        class_id=scores.class_id,
    )
    return scores


def gapless(planes: Tensor) -> Tensor:
    """Return planes [X, h, w] without gaps between the rows; copied if there are any."""
    return planes if planes.stride(1) == planes.shape[2] * planes.stride(2) else planes.contiguous()


def plane_strides(planes: Tensor) -> tuple[int, int]:
    """Return the steps of [X, h, w] from one plane and from one pixel to the next, in values."""
    return planes.stride(0), planes.stride(2)

"""Seediness, threshold and class of every pixel in one pass over the logits."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from streamseg.errors import InputError
from streamseg.kernels.decode_scores.launch import decode_scores_launch
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
    """uint8 [h, w]."""


def decode_scores(logits: Tensor) -> DeviceScores:
    """``streamseg.kernels.decode_scores`` on a GPU: one launch, nothing waits for it.

    NaN and infinity are not looked for: that would wait for the GPU.

    Args:
        logits: float16, bfloat16 or float32 [T, C+1, h, w] of any strides whose rows follow each
            other without a gap; others are copied.

    Raises:
        InputError: another shape or dtype.
    """
    check_tensor("logits", logits, None, ("T", "C+1", "h", "w"))
    thresholds, channels, height, width = logits.shape
    if thresholds > 255 or not 2 <= channels <= 256:
        raise InputError(
            "logits must hold 1..255 thresholds and 2..256 classes, background counted, "
            f"got {thresholds} and {channels}"
        )
    if logits.stride(2) != width * logits.stride(3):
        logits = logits.contiguous()
    shape, device = (height, width), logits.device
    scores = DeviceScores(
        torch.empty(shape, dtype=torch.float32, device=device),
        torch.empty(shape, dtype=torch.uint8, device=device),
        torch.empty(shape, dtype=torch.uint8, device=device),
    )
    strides = (logits.stride(0), logits.stride(1), logits.stride(3))
    start(
        decode_scores_launch(thresholds, channels, height * width, strides),
        logits=logits,
        seediness=scores.seediness,
        tau_index=scores.tau_index,
        class_id=scores.class_id,
    )
    return scores

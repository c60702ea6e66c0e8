"""Seediness, threshold and class of every pixel in one pass over the logits."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor

from streamseg.errors import InputError

BLOCK = 128
"""Pixels of a program, one a thread."""


@dataclass(frozen=True, eq=False)
class DeviceScores:
    """``Scores`` as tensors on the device."""

    seediness: Tensor
    """float32 [h, w]."""
    tau_index: Tensor
    """uint8 [h, w]."""
    class_id: Tensor
    """uint8 [h, w]."""


@triton.jit
def decode_kernel(
    logits,
    seediness,
    tau_index,
    class_id,
    pixels,
    stride_tau,
    stride_class,
    stride_pixel,
    THRESHOLDS: tl.constexpr,
    CHANNELS: tl.constexpr,
    CHANNELS_ROUNDED: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """A program decodes BLOCK pixels; it holds the logits of one threshold at a time."""
    pixel = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = pixel < pixels
    channel = tl.arange(0, CHANNELS_ROUNDED)
    where = logits + channel[:, None] * stride_class + pixel[None].to(tl.int64) * stride_pixel
    known = (channel < CHANNELS)[:, None] & inside[None]
    best = tl.full((BLOCK,), -1.0, tl.float32)
    best_tau = tl.zeros((BLOCK,), tl.int32)
    best_class = tl.zeros((BLOCK,), tl.int32)
    for tau in range(THRESHOLDS):
        values = tl.load(where + tau * stride_tau, mask=known, other=float("-inf")).to(tl.float32)
        foreground = tl.where((channel > 0)[:, None], values, float("-inf"))
        largest, found = tl.max(foreground, 0, return_indices=True, return_indices_tie_break_left=True)
        # of the largest foreground logit, with the largest as the reference: one exp a logit
        total = tl.sum(tl.exp(values - largest[None]), 0)
        probability = 1.0 / total
        better = probability > best
        best = tl.where(better, probability, best)
        best_tau = tl.where(better, tau, best_tau)
        best_class = tl.where(better, found, best_class)
    tl.store(seediness + pixel, best, mask=inside)
    tl.store(tau_index + pixel, best_tau.to(tl.uint8), mask=inside)
    tl.store(class_id + pixel, best_class.to(tl.uint8), mask=inside)


def decode_scores(logits: Tensor) -> DeviceScores:
    """``streamseg.kernels.decode_scores`` on a GPU: one launch, nothing waits for it.

    NaN and infinity are not looked for: that would wait for the GPU.

    Args:
        logits: float16, bfloat16 or float32 [T, C+1, h, w] of any strides whose rows follow each
            other without a gap; others are copied.

    Raises:
        InputError: another shape or dtype.
    """
    if logits.ndim != 4 or not logits.numel() or not logits.is_floating_point():
        raise InputError(
            f"logits must be floating [T, C+1, h, w] and not empty, got {logits.dtype} "
            f"{list(logits.shape)}"
        )
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
    pixels = height * width
    decode_kernel[(triton.cdiv(pixels, BLOCK),)](
        logits,
        scores.seediness,
        scores.tau_index,
        scores.class_id,
        pixels,
        logits.stride(0),
        logits.stride(1),
        logits.stride(3),
        THRESHOLDS=thresholds,
        CHANNELS=channels,
        CHANNELS_ROUNDED=triton.next_power_of_2(channels),
        BLOCK=BLOCK,
    )
    return scores

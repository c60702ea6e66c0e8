"""The kernel that decodes: softmax, best class and best threshold, reading each logit once."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def decode_scores_kernel(
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
        largest, found = tl.max(
            foreground, 0, return_indices=True, return_indices_tie_break_left=True
        )
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

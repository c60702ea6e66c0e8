"""The kernel that decodes: best threshold and class; it reads each value once, or again from L2."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def decode_scores_kernel(
    foreground,
    classes,
    seediness,
    tau_index,
    class_id,
    pixels,
    width,
    foreground_stride_tau,
    foreground_stride_pixel,
    class_stride_class,
    class_stride_pixel,
    THRESHOLDS: tl.constexpr,
    CLASSES: tl.constexpr,
    CLASSES_AT_ONCE: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Decode BLOCK pixels per program."""
    pixel = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = pixel < pixels
    where = foreground + pixel.to(tl.int64) * foreground_stride_pixel
    logit = tl.full((BLOCK,), float("-inf"), tl.float32)
    best_tau = tl.zeros((BLOCK,), tl.int32)
    for tau in range(THRESHOLDS):
        value = tl.load(where + tau * foreground_stride_tau, mask=inside, other=0.0).to(tl.float32)
        better = value > logit
        logit = tl.where(better, value, logit)
        best_tau = tl.where(better, tau, best_tau)

    # four neighbours share a class
    coarse = (pixel // width // 2) * ((width + 1) // 2) + (pixel % width) // 2
    cell = classes + coarse.to(tl.int64) * class_stride_pixel
    probability = tl.full((BLOCK,), -1.0, tl.float32)
    best_class = tl.zeros((BLOCK,), tl.int32)
    for first in range(0, CLASSES, CLASSES_AT_ONCE):
        channel = first + tl.arange(0, CLASSES_AT_ONCE)
        at = cell[None] + channel[:, None].to(tl.int64) * class_stride_class
        known = (channel < CLASSES)[:, None] & inside[None]
        values = tl.load(at, mask=known, other=-1.0).to(tl.float32)
        largest, place = tl.max(values, 0, return_indices=True, return_indices_tie_break_left=True)
        better = largest > probability
        probability = tl.where(better, largest, probability)
        best_class = tl.where(better, first + place, best_class)
    tl.store(seediness + pixel, probability / (1.0 + tl.exp(-logit)), mask=inside)
    tl.store(tau_index + pixel, best_tau.to(tl.uint8), mask=inside)
    tl.store(class_id + pixel, (best_class + 1).to(tl.uint16), mask=inside)

"""The kernel that keeps masks: one program, since each decision waits for the one before."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def visible_kernel(masks, order, taken, kept, pixels, count, min_visible, BLOCK: tl.constexpr):
    """Decide mask by mask.

    masks [K, N] uint8, order [K] int64: which mask comes when; taken [N] uint8, zeros; kept [K]
    uint8, in that order.
    """
    lane = tl.arange(0, BLOCK)
    for k in range(count):
        row = masks + tl.load(order + k) * pixels
        visible = tl.zeros((BLOCK,), tl.int32)
        total = tl.zeros((BLOCK,), tl.int32)
        for start in range(0, pixels, BLOCK):
            inside = start + lane < pixels
            mask = tl.load(row + start + lane, mask=inside, other=0).to(tl.int32)
            free = 1 - tl.load(taken + start + lane, mask=inside, other=1).to(tl.int32)
            total += mask
            visible += mask & free
        least = min_visible * tl.sum(total, 0).to(tl.float32)
        keep = tl.sum(visible, 0).to(tl.float32) >= least
        tl.store(kept + k, keep.to(tl.uint8))
        if keep:
            for start in range(0, pixels, BLOCK):
                inside = start + lane < pixels
                mask = tl.load(row + start + lane, mask=inside, other=0)
                before = tl.load(taken + start + lane, mask=inside, other=0)
                tl.store(taken + start + lane, mask | before, mask=inside)
            tl.debug_barrier()  # the next mask may be read by other threads than wrote this

"""The kernel that finds runs: each program writes those that start at its pixels."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def find_runs_kernel(label_map, start, label, count, height, width, BLOCK: tl.constexpr):
    """Compare each pixel with the one before it, down the columns.

    label_map [H, W] uint16; start [H * W] int32 and label [H * W] uint16 are filled from the
    front, in any order of the programs; count [1] int32, zero before, becomes their number.
    """
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = place < height * width
    here = tl.load(label_map + place % height * width + place // height, mask=inside, other=0)
    last = tl.maximum(place - 1, 0)
    before = tl.load(label_map + last % height * width + last // height, mask=inside, other=0)
    starts = inside & ((here != before) | (place == 0))
    found = starts.to(tl.int32)
    first = tl.atomic_add(count, tl.sum(found, 0), sem="relaxed")
    to = first + tl.cumsum(found, 0) - found
    tl.store(start + to, place, mask=starts)
    tl.store(label + to, here, mask=starts)

"""The kernel that chooses seeds: one program, since each decision depends on the one before."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def rank_seeds(seed_index, picked, seediness, order, SEEDS_ROUNDED: tl.constexpr):
    """Write the order of the seeds: highest score first, then in the order of picking."""
    k = tl.arange(0, SEEDS_ROUNDED)
    known = k < picked
    score = tl.load(seediness + tl.load(seed_index + k, mask=known, other=0))
    rank = tl.zeros((SEEDS_ROUNDED,), tl.int32)
    for first in range(0, picked, 16):
        j = first + tl.arange(0, 16)
        seed = tl.load(seed_index + j, mask=j < picked, other=0)
        rival = tl.load(seediness + seed, mask=j < picked, other=-1.0)
        ahead = rival[None] > score[:, None]
        ahead |= (rival[None] == score[:, None]) & (j[None] < k[:, None])
        rank += tl.sum(ahead.to(tl.int32), 1)
    tl.store(order + rank, k, mask=known)
    tl.debug_barrier()  # threads read what other threads have written


@triton.jit
def is_new(total, visible, min_visible):
    """Return whether a large enough part of a mask is visible."""
    least = min_visible * tl.sum(total, 0).to(tl.float32)
    return tl.sum(visible, 0).to(tl.float32) >= least


@triton.jit
def choose_seeds_kernel(
    seed_index,
    seed_count,
    masks,
    seediness,
    tau_index,
    squared_radius,
    order,
    taken,
    chosen_index,
    chosen_radius,
    chosen_count,
    pixels,
    max_seeds,
    min_visible,
    BLOCK: tl.constexpr,
    RESIDENT: tl.constexpr,
    SEEDS_ROUNDED: tl.constexpr,
):
    """Go through seeds, highest seediness first, and keep those whose masks are new.

    seed_index [K] int32, seed_count [1] int32, masks [K, N] uint8, seediness [N] float32,
    tau_index [N] uint8, squared_radius [T] float32; order [K] int32; taken [N] uint8, zeros,
    used unless RESIDENT; chosen_index [K] int32, -1 from chosen_count [1] int32 on, and
    chosen_radius [K] float32. RESIDENT needs N <= BLOCK: registers hold which pixels are taken.
    """
    picked = tl.load(seed_count)
    rank_seeds(seed_index, picked, seediness, order, SEEDS_ROUNDED)
    lane = tl.arange(0, BLOCK)
    taken_here = tl.zeros((BLOCK,), tl.int8)
    chosen = 0
    for place in range(picked):
        k = tl.load(order + place)
        row = masks + k.to(tl.int64) * pixels
        if RESIDENT:
            mask = tl.load(row + lane, mask=lane < pixels, other=0).to(tl.int8)
            keep = is_new(mask.to(tl.int32), (mask & ~taken_here).to(tl.int32), min_visible)
            taken_here |= tl.where(keep, mask, 0)
        else:
            total = tl.zeros((BLOCK,), tl.int32)
            visible = tl.zeros((BLOCK,), tl.int32)
            for start in range(0, pixels, BLOCK):
                inside = start + lane < pixels
                mask = tl.load(row + start + lane, mask=inside, other=0).to(tl.int32)
                before = tl.load(taken + start + lane, mask=inside, other=0).to(tl.int32)
                total += mask
                visible += mask & (1 - before)
            keep = is_new(total, visible, min_visible)
            if keep:
                for start in range(0, pixels, BLOCK):
                    inside = start + lane < pixels
                    mask = tl.load(row + start + lane, mask=inside, other=0)
                    before = tl.load(taken + start + lane, mask=inside, other=0)
                    tl.store(taken + start + lane, mask | before, mask=inside)
                tl.debug_barrier()  # for the next mask, threads read what others have written
        if keep:
            seed = tl.load(seed_index + k)
            tl.store(chosen_index + chosen, seed)
            tl.store(chosen_radius + chosen, tl.load(squared_radius + tl.load(tau_index + seed)))
            chosen += 1
    tl.store(chosen_count, chosen)
    for rest in range(chosen, max_seeds):
        tl.store(chosen_index + rest, -1)

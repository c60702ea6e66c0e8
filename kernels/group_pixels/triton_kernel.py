"""The persistent kernel: all rounds of greedy picking, with the masks, in one launch.

Each program has some of the pixels. In a round it stores its best candidate as a key in device
memory, waits for all programs, and reads the best key of all, the winner. Then it measures the
distances of its pixels to the winner: they give the winner's mask (3) and the scores of the next
round (4). If all embeddings fit in registers (RESIDENT), they are read once. Otherwise each program
reads its tiles again in every round, from L2 if they fit there.

The grid must not be larger than what the device runs at once: otherwise programs would wait for one
that cannot start. A grid of one program is allowed. ``docs/gpu.md`` explains why the barrier is
right.
"""

from __future__ import annotations

import triton
import triton.language as tl

NO_KEY = tl.constexpr(0)
"""The key of a program without candidates, less than any other key."""
NOT_A_CANDIDATE = tl.constexpr(-1.0)
"""Stands in place of the smallest squared distance of a pixel that is not a candidate."""


@triton.jit
def best_key(score, pixel, is_candidate):
    """Compute the key of a tile's best candidate: the largest score, then the lowest pixel.

    A key has 32 bits of score and 31 bits of pixel. The bits of positive floats, read as integers,
    are in the order of the floats. Those of negative floats are in the reverse order: -2.0 is
    0xC0000000, -1.0 is 0xBF800000. All their bits but the sign are inverted, to 0xBFFFFFFF and
    0xC07FFFFF. Adding 2^31 makes the least integer 0, so the sign bit of a key is 0 and a signed
    maximum is right.
    """
    bits = (score + 0.0).to(tl.int32, bitcast=True)
    rising = tl.where(bits >= 0, bits, bits ^ 0x7FFFFFFF)
    rank = rising.to(tl.int64) + 2147483648
    key = (rank << 31) | (0x7FFFFFFF - pixel).to(tl.int64)
    return tl.max(tl.where(is_candidate, key, 0), 0)


@triton.jit
def exchange_keys(key, keys, arrivals, programs):
    """Store a program's key, wait for the keys of all programs, and return the largest key."""
    tl.atomic_max(keys, key, sem="relaxed")
    tl.atomic_add(arrivals, 1, sem="acq_rel")
    while tl.atomic_add(arrivals, 0, sem="acq_rel") < programs:
        pass
    return tl.atomic_add(keys, 0, sem="acquire")


@triton.jit
def load_tile(embeddings, pixel, inside, dims, D: tl.constexpr):
    """Load the embeddings of some pixels: [BLOCK, ROUNDED_D], zeros from D on."""
    where = embeddings + pixel[:, None].to(tl.int64) * D + dims[None]
    return tl.load(where, mask=inside[:, None] & (dims < D)[None], other=0.0)


@triton.jit
def compare(tile, row, radius, pixel, winner, nearest, EXCLUDE_CLAIMED: tl.constexpr):
    """Compare a tile with a seed; return the mask and the new smallest distances."""
    difference = tile.to(tl.float32) - row[None]
    distance = tl.sum(difference * difference, 1)
    mask = distance <= radius
    claimed = pixel == winner
    if EXCLUDE_CLAIMED:
        claimed = claimed | mask
    # NOT_A_CANDIDATE stays: no distance is less than -1
    return mask, tl.where(claimed, NOT_A_CANDIDATE, tl.minimum(nearest, distance))


@triton.jit
def group_pixels_kernel(
    embeddings,
    seediness,
    tau_index,
    squared_radius,
    nearest_distance,
    keys,
    arrivals,
    seed_index,
    seed_count,
    masks,
    pixels,
    max_seeds,
    alpha,
    min_seediness,
    D: tl.constexpr,
    ROUNDED_D: tl.constexpr,
    BLOCK: tl.constexpr,
    RESIDENT: tl.constexpr,
    EXCLUDE_CLAIMED: tl.constexpr,
):
    """Pick seeds and grow their masks.

    embeddings [N, D], seediness [N] float32, tau_index [N] uint8, squared_radius [T] float32;
    nearest_distance [N] float32, used unless RESIDENT; keys [K] int64 and arrivals [K] int32,
    zeros; seed_index [K] int32, seed_count [1] int32, masks [K, N] uint8. RESIDENT needs one
    program per BLOCK pixels.
    """
    program = tl.program_id(0)
    programs = tl.num_programs(0)
    tiles = tl.cdiv(pixels, BLOCK)
    offset = tl.arange(0, BLOCK)
    dims = tl.arange(0, ROUNDED_D)

    key = tl.full((), NO_KEY, tl.int64)
    if RESIDENT:
        pixel = program * BLOCK + offset
        inside = pixel < pixels
        tile = load_tile(embeddings, pixel, inside, dims, D)
        pixel_seediness = tl.load(seediness + pixel, mask=inside, other=-1.0)
        log_seediness = tl.log(pixel_seediness)
        nearest = tl.where(pixel_seediness >= min_seediness, float("inf"), NOT_A_CANDIDATE)
        key = best_key(pixel_seediness, pixel, nearest >= 0)
    else:
        for t in range(program, tiles, programs):
            pixel = t * BLOCK + offset
            inside = pixel < pixels
            pixel_seediness = tl.load(seediness + pixel, mask=inside, other=-1.0)
            nearest = tl.where(pixel_seediness >= min_seediness, float("inf"), NOT_A_CANDIDATE)
            tl.store(nearest_distance + pixel, nearest, mask=inside)
            key = tl.maximum(key, best_key(pixel_seediness, pixel, nearest >= 0))

    picked = 0
    running = max_seeds > 0
    while running:
        best = exchange_keys(key, keys + picked, arrivals + picked, programs)
        if best == NO_KEY:
            running = False
        else:
            winner = (0x7FFFFFFF - (best & 0x7FFFFFFF)).to(tl.int32)
            row = tl.load(embeddings + winner.to(tl.int64) * D + dims, mask=dims < D, other=0.0)
            row = row.to(tl.float32)
            radius = tl.load(squared_radius + tl.load(tau_index + winner))
            if program == 0:
                tl.store(seed_index + picked, winner)
            if RESIDENT:
                mask, nearest = compare(tile, row, radius, pixel, winner, nearest, EXCLUDE_CLAIMED)
                tl.store(masks + pixel, mask.to(tl.uint8), mask=inside)
                key = best_key(log_seediness + alpha * tl.log(nearest), pixel, nearest >= 0)
            else:
                key = tl.full((), NO_KEY, tl.int64)
                for t in range(program, tiles, programs):
                    pixel = t * BLOCK + offset
                    inside = pixel < pixels
                    tile = load_tile(embeddings, pixel, inside, dims, D)
                    nearest = tl.load(nearest_distance + pixel, mask=inside, other=NOT_A_CANDIDATE)
                    mask, nearest = compare(
                        tile, row, radius, pixel, winner, nearest, EXCLUDE_CLAIMED
                    )
                    tl.store(masks + pixel, mask.to(tl.uint8), mask=inside)
                    tl.store(nearest_distance + pixel, nearest, mask=inside)
                    pixel_seediness = tl.load(seediness + pixel, mask=inside, other=0.0)
                    score = tl.log(pixel_seediness) + alpha * tl.log(nearest)
                    key = tl.maximum(key, best_key(score, pixel, nearest >= 0))
            picked += 1
            masks += pixels
            running = picked < max_seeds

    if program == 0:
        tl.store(seed_count, picked)
        for k in range(picked, max_seeds):
            tl.store(seed_index + k, -1)
    for _k in range(picked, max_seeds):
        for t in range(program, tiles, programs):
            pixel = t * BLOCK + offset
            tl.store(masks + pixel, tl.zeros((BLOCK,), tl.uint8), mask=pixel < pixels)
        masks += pixels


@triton.jit
def barrier_kernel(keys, arrivals, rounds):
    """Exchange keys and do nothing else: the least cost of rounds of ``group_pixels_kernel``."""
    program = tl.program_id(0)
    programs = tl.num_programs(0)
    for k in range(rounds):
        exchange_keys((program + 1).to(tl.int64), keys + k, arrivals + k, programs)

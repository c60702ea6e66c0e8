"""The last kernels of a frame: drop labels of small area, list and renumber the others."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def list_instances_kernel(
    embeddings,
    seediness,
    tau_index,
    class_id,
    chosen_index,
    chosen_count,
    area_px,
    reach,
    embedding_sum,
    members,
    new_label,
    table,
    score,
    embedding,
    count,
    height,
    width,
    least_area_px,
    capacity,
    D: tl.constexpr,
    ROUNDED_D: tl.constexpr,
    SEEDS_ROUNDED: tl.constexpr,
):
    """Write the row of label program_id(0) if its area is large enough.

    embeddings [N, D], seediness [N] float32, tau_index [N] uint8, class_id [N] uint16;
    chosen_index [K] int32, chosen_count [1] int32; area_px, reach, embedding_sum and members as
    ``label_pixels`` writes them. Out: new_label [K+1] uint16; the first count [1] int32 rows of
    table [K, 8] int32 (seed, tau index, class, area, x0, y0, x1, y1), score [K] float32 and
    embedding [K, D] float32.
    """
    label = tl.program_id(0)
    chosen = tl.load(chosen_count)
    k = tl.arange(0, SEEDS_ROUNDED)
    area = tl.load(area_px + k, mask=k < chosen, other=0)
    used = (area >= least_area_px).to(tl.int32)
    number = tl.sum(tl.where(k <= label, used, 0), 0)  # from 1
    is_used = tl.sum(tl.where(k == label, used, 0), 0) > 0
    tl.store(new_label + 1 + label, tl.where(is_used, number, 0).to(tl.uint16))
    if label == 0:
        tl.store(new_label, tl.zeros((), tl.uint16))
        tl.store(count, tl.sum(used, 0))
    if is_used:
        place = number - 1
        seed = tl.load(chosen_index + label)
        row = table + place * 8
        tl.store(row, seed)
        tl.store(row + 1, tl.load(tau_index + seed).to(tl.int32))
        tl.store(row + 2, tl.load(class_id + seed).to(tl.int32))
        tl.store(row + 3, tl.load(area_px + label))
        tl.store(row + 4, width - tl.load(reach + label))
        tl.store(row + 5, height - tl.load(reach + capacity + label))
        tl.store(row + 6, tl.load(reach + 2 * capacity + label))
        tl.store(row + 7, tl.load(reach + 3 * capacity + label))
        tl.store(score + place, tl.load(seediness + seed))
        dim = tl.arange(0, ROUNDED_D)
        pixels = tl.load(members + label)
        mean = tl.load(embedding_sum + label * D + dim, mask=dim < D, other=0.0) / pixels
        own = tl.load(embeddings + seed.to(tl.int64) * D + dim, mask=dim < D, other=0.0)
        mean = tl.where(pixels > 0, mean, own.to(tl.float32))
        tl.store(embedding + place * D + dim, mean, mask=dim < D)


@triton.jit
def relabel_kernel(label_map, new_label, chosen_count, count, frame_pixels, BLOCK: tl.constexpr):
    """Renumber a label map [H * W] uint16 in place; a no-op if no label was dropped."""
    if tl.load(chosen_count) != tl.load(count):
        pixel = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
        label = tl.load(label_map + pixel, mask=pixel < frame_pixels, other=0)
        tl.store(label_map + pixel, tl.load(new_label + label), mask=pixel < frame_pixels)

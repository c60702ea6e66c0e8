"""The kernel that labels a frame from interpolated margins, and measures the labels' extents.

A cell lies between the neighbouring map columns c-1 and c. Cells 0 and w are the half cells at the
borders, where both columns are the same. A program labels one frame row of some cells. For a chunk
of seeds at a time it computes the margins at the four map pixels around each cell, and interpolates
them to the frame columns of the cell. So margins stay in registers.

A map pixel is the upper left corner of the cell that begins at it, and has the label of the first
frame pixel in that cell. The kernel also sums the embeddings of each label's map pixels.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def first_line(cell, map_size, frame_size):
    """Find the first frame line whose centre lies in a cell or after it; computed in integers.

    Line X is at (2X + 1) * map / (2 * frame) - 1/2 on the map; cell c begins at c - 1.
    """
    numerator = (2 * cell - 1) * frame_size - map_size
    step = 2 * map_size
    return tl.maximum(0, (tl.maximum(numerator, 0) + step - 1) // step)


@triton.jit
def load_pixels(embeddings, pixel, dims, D: tl.constexpr):
    """Load the embeddings [P, ROUNDED_D] of some map pixels; compute their squared norms [P]."""
    where = embeddings + pixel[:, None].to(tl.int64) * D + dims[None]
    tile = tl.load(where, mask=(dims < D)[None], other=0.0)
    wide = tile.to(tl.float32)
    return tile, tl.sum(wide * wide, 1)


@triton.jit
def margins_of(tile, norms, seeds, seed_norms, radius):
    """Compute ln(2/tau - 1) - d2, but at least -ln(2/tau - 1): [P, CHUNK]."""
    products = tl.dot(tile, tl.trans(seeds), input_precision="ieee")
    margins = radius[None] - (norms[:, None] + seed_norms[None] - 2 * products)
    return tl.minimum(tl.maximum(margins, -radius[None]), radius[None])


@triton.jit
def label_pixels_kernel(
    embeddings,
    chosen_index,
    chosen_radius,
    chosen_count,
    label_map,
    area_px,
    reach,
    embedding_sum,
    members,
    map_height,
    map_width,
    height,
    width,
    capacity,
    D: tl.constexpr,
    ROUNDED_D: tl.constexpr,
    CELLS: tl.constexpr,
    COLUMNS: tl.constexpr,
    CHUNK: tl.constexpr,
):
    """Label frame row program_id(0), cells from program_id(1) * CELLS on.

    embeddings [N, D]; the first chosen_count [1] int32 of chosen_index [K] int32 and chosen_radius
    [K] float32; label_map [H, W] uint16. Zeros before: area_px [K] int32; reach [4, K] int32, the
    largest distance of each label from the right, the bottom, the left and the top border;
    embedding_sum [K, D] float32 and members [K] int32, over the map pixels of each label. COLUMNS
    is at least the number of frame columns of a cell.
    """
    seeds = tl.load(chosen_count)
    row = tl.program_id(0)
    cell = tl.program_id(1) * CELLS + tl.arange(0, CELLS)
    dims = tl.arange(0, ROUNDED_D)

    twice = (2 * row + 1) * map_height - height  # position on the map, times 2 * height
    before = (twice + 2 * height) // (2 * height) - 1  # rounded down, also below 0
    down = (twice - before * 2 * height).to(tl.float32) / (2 * height)
    top = tl.maximum(before, 0) * map_width
    bottom = tl.minimum(before + 1, map_height - 1) * map_width
    left = tl.minimum(tl.maximum(cell - 1, 0), map_width - 1)
    right = tl.minimum(cell, map_width - 1)

    start = first_line(cell, map_width, width)
    end = tl.minimum(first_line(cell + 1, map_width, width), width)
    column = start[:, None] + tl.arange(0, COLUMNS)[None]  # [CELLS, COLUMNS]
    inside = (column < end[:, None]) & (cell <= map_width)[:, None]
    twice_x = (2 * column + 1) * map_width - width - (cell - 1)[:, None] * 2 * width
    along = twice_x.to(tl.float32) / (2 * width)

    tile_a, norms_a = load_pixels(embeddings, top + left, dims, D)
    tile_b, norms_b = load_pixels(embeddings, top + right, dims, D)
    tile_c, norms_c = load_pixels(embeddings, bottom + left, dims, D)
    tile_d, norms_d = load_pixels(embeddings, bottom + right, dims, D)
    most_a = tl.full((CELLS,), float("-inf"), tl.float32)
    most_b = tl.full((CELLS,), float("-inf"), tl.float32)
    most_c = tl.full((CELLS,), float("-inf"), tl.float32)
    most_d = tl.full((CELLS,), float("-inf"), tl.float32)
    best = tl.full((CELLS, COLUMNS), float("-inf"), tl.float32)
    label = tl.zeros((CELLS, COLUMNS), tl.int32)
    for first in range(0, seeds, CHUNK):
        k = first + tl.arange(0, CHUNK)
        known = k < seeds
        radius = tl.load(chosen_radius + k, mask=known, other=0.0)
        index = tl.load(chosen_index + k, mask=known, other=0)
        rows, seed_norms = load_pixels(embeddings, index, dims, D)
        beyond = tl.where(known, 0.0, float("-inf"))[None]
        a = margins_of(tile_a, norms_a, rows, seed_norms, radius) + beyond
        b = margins_of(tile_b, norms_b, rows, seed_norms, radius) + beyond
        c = margins_of(tile_c, norms_c, rows, seed_norms, radius) + beyond
        d = margins_of(tile_d, norms_d, rows, seed_norms, radius) + beyond
        most_a = tl.maximum(most_a, tl.max(a, 1))
        most_b = tl.maximum(most_b, tl.max(b, 1))
        most_c = tl.maximum(most_c, tl.max(c, 1))
        most_d = tl.maximum(most_d, tl.max(d, 1))
        near = tl.where(known[None], a + (c - a) * down, float("-inf"))
        far = tl.where(known[None], b + (d - b) * down, float("-inf"))
        value = near[:, None] + tl.where(known[None], far - near, 0.0)[:, None] * along[:, :, None]
        largest, found = tl.max(value, 2, return_indices=True, return_indices_tie_break_left=True)
        better = largest > best
        best = tl.where(better, largest, best)
        label = tl.where(better, first + found + 1, label)

    near = most_a + (most_c - most_a) * down
    far = most_b + (most_d - most_b) * down
    anything = near[:, None] + (far - near)[:, None] * along
    label = tl.where((anything > 0) & inside, label, 0)
    tl.store(label_map + row.to(tl.int64) * width + column, label.to(tl.uint16), mask=inside)

    # if this is the first frame row of a map row: that row's pixels and their labels
    map_row = tl.maximum(before, 0)
    is_first = (before >= 0) & (row == first_line(map_row + 1, map_height, height))
    has_pixel = (cell >= 1) & (start < end) & is_first
    at_pixel = tl.sum(tl.where(tl.arange(0, COLUMNS)[None] == 0, label, 0), 1)
    at_pixel = tl.where(has_pixel, at_pixel, 0)

    for first in range(0, seeds, CHUNK):
        k = first + tl.arange(0, CHUNK)
        own = label[:, :, None] == (k + 1)[None, None]
        covered = tl.sum(tl.sum(own.to(tl.int32), 1), 0)
        shown = covered > 0
        from_right = tl.max(tl.max(tl.where(own, width - column[:, :, None], 0), 1), 0)
        from_left = tl.max(tl.max(tl.where(own, column[:, :, None] + 1, 0), 1), 0)
        from_bottom = tl.zeros((CHUNK,), tl.int32) + height - row
        from_top = tl.zeros((CHUNK,), tl.int32) + row + 1
        tl.atomic_add(area_px + k, covered, mask=shown, sem="relaxed")
        tl.atomic_max(reach + k, from_right, mask=shown, sem="relaxed")
        tl.atomic_max(reach + capacity + k, from_bottom, mask=shown, sem="relaxed")
        tl.atomic_max(reach + 2 * capacity + k, from_left, mask=shown, sem="relaxed")
        tl.atomic_max(reach + 3 * capacity + k, from_top, mask=shown, sem="relaxed")
        if is_first:
            # read again, since keeping it through the loops would cost registers
            tile, _ = load_pixels(embeddings, top + left, dims, D)
            owns = at_pixel[None] == (k + 1)[:, None]  # [CHUNK, CELLS]
            sums = tl.dot(owns.to(tile.dtype), tile, input_precision="ieee")
            owned = tl.sum(owns.to(tl.int32), 1)
            to = embedding_sum + k[:, None] * D + dims[None]
            told = (owned > 0)[:, None] & (dims < D)[None]
            tl.atomic_add(to, sums, mask=told, sem="relaxed")
            tl.atomic_add(members + k, owned, mask=owned > 0, sem="relaxed")

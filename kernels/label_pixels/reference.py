"""Disjoint instance labels at frame size, from similarity interpolated to the frame."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from streamseg.kernels.checks import check_array, check_between, check_count, check_thresholds
from streamseg.kernels.first_argmax import first_argmax
from streamseg.kernels.label_pixels.means import mean_embeddings
from streamseg.kernels.similarity import seed_margins

_PIXELS_AT_ONCE = 1 << 15
"""Approximate number of frame pixels in a batch of the interpolation; it bounds memory."""


@dataclass(frozen=True, eq=False)
class Labels:
    """The label of every frame pixel, and the extent of every label."""

    label_map: NDArray[np.uint16]
    """[H, W]: 0 is background, k the k-th seed."""
    area_px: NDArray[np.int64]
    """[K]: pixels of each label; may be 0."""
    box: NDArray[np.int64]
    """[K, 4]: x0, y0, x1, y1, half open; zeros for a label without pixels."""
    embedding: NDArray[np.float32]
    """[K, D]: mean over the map pixels of each label; the seed's if there are none."""


def label_pixels(
    embeddings: NDArray[np.float32],
    seed_index: NDArray[np.int32],
    seed_tau: NDArray[np.float32],
    *,
    height: int,
    width: int,
) -> Labels:
    """Give each frame pixel to the seed with the largest margin.

    The margin of a seed at a map pixel is r - d2 with r = ln(2/tau - 1), but at least -r. It is
    above 0 inside the mask (3) and r at the seed. Without the lower bound, pixels far beyond the
    threshold would move outlines inwards; with it, an outline lies halfway between map pixels of
    the object and others. Margins are interpolated to the frame bilinearly with half-pixel centres,
    map row (Y + 0.5) * h / H - 0.5 clamped to the map, columns in the same way. That is smoother
    than enlarging masks. The largest margin wins; ties go to the lowest k. A frame pixel is
    background if the largest margin of each map pixel, interpolated in the same way, is 0 or less.
    If only the winner's margin counted, there would be background between instances that touch.

    The result is exact, but few pixels are interpolated. Four map pixels bound a cell, and an
    interpolated value lies between the values at its corners. So a seed that is the largest at all
    four corners wins the whole cell. Only the other cells are interpolated, and in each only the
    seeds whose largest corner reaches the smallest corner of every other seed.

    Args:
        embeddings: float32 [D, h, w].
        seed_index: int32 [K], flat map pixel index y*w + x of each seed; K may be 0.
        seed_tau: float32 [K], 0 < tau < 1.
        height: H of the frame, larger or smaller than h.
        width: W of the frame.

    Returns:
        The label map of the frame, and area, box and mean embedding of each label.

    Raises:
        InputError: another shape or dtype, a seed outside the map, NaN or infinity.
    """
    check_array("embeddings", embeddings, np.float32, ("D", "h", "w"))
    check_array("seed_index", seed_index, np.int32, ("K",), empty=True)
    check_between("seed_index", seed_index, 0, embeddings[0].size - 1)
    check_count("number of seeds", len(seed_index), 0, 65534)
    check_array("seed_tau", seed_tau, np.float32, (len(seed_index),), empty=True)
    check_thresholds("seed_tau", seed_tau)
    check_count("height", height, 1)
    check_count("width", width, 1)

    pixels = embeddings.reshape(len(embeddings), -1)
    margins = seed_margins(pixels, seed_index, seed_tau)
    if len(seed_index):
        label_map = _paint(margins.reshape(-1, *embeddings.shape[1:]), height, width)
    else:
        label_map = np.zeros((height, width), np.uint16)
    area_px, box = _extents(label_map, len(seed_index))
    means = mean_embeddings(embeddings, label_map, seed_index)
    return Labels(label_map, area_px, box, means)


@dataclass(frozen=True, eq=False)
class _Axis:
    """Positions of the frame's lines (rows or columns) in the n cells between map lines."""

    low: NDArray[np.intp]
    """[n]: the map line before each cell; only cells with a frame line are listed."""
    high: NDArray[np.intp]
    """[n]: the map line after it; the same line in the half cells at the two borders."""
    cell: NDArray[np.intp]
    """[frame size]: the cell of each frame line, 0..n-1, rising."""
    line: NDArray[np.intp]
    """[s, n]: the frame lines of each cell, filled up to s with the last one."""
    weight: NDArray[np.float32]
    """[s, n]: weight of ``high`` at each of these lines, 0..1."""


@lru_cache(maxsize=16)
def _axis(map_size: int, frame_size: int) -> _Axis:
    """Map half-pixel centres of the frame to the map; cached, since a stream has one size."""
    position = (np.arange(frame_size) + 0.5) * (map_size / frame_size) - 0.5
    before, first, cell, count = np.unique(
        np.floor(position).astype(np.intp),
        return_index=True,
        return_inverse=True,
        return_counts=True,
    )
    line = first + np.minimum(np.arange(count.max())[:, None], count - 1)
    return _Axis(
        low=np.maximum(before, 0),
        high=np.minimum(before + 1, map_size - 1),
        cell=cell,
        line=line,
        weight=(position[line] - before).astype(np.float32),
    )


def _paint(margins: NDArray[np.float32], height: int, width: int) -> NDArray[np.uint16]:
    """Interpolate margins [K, h, w] to the frame; return the largest's label, uint16 [H, W]."""
    rows, columns = _axis(margins.shape[1], height), _axis(margins.shape[2], width)
    largest, first = first_argmax(margins.reshape(len(margins), -1))
    label = np.where(largest > 0, first.astype(np.uint16) + np.uint16(1), np.uint16(0))
    label = label.reshape(margins.shape[1:])
    above, below = label.take(rows.low, axis=0), label.take(rows.high, axis=0)
    corner = above.take(columns.low, axis=1)
    contested = corner != above.take(columns.high, axis=1)
    contested |= corner != below.take(columns.low, axis=1)
    contested |= corner != below.take(columns.high, axis=1)

    label_map: NDArray[np.uint16] = corner.take(columns.cell, axis=1).take(rows.cell, axis=0)
    y, x = np.nonzero(contested)
    batch = max(1, _PIXELS_AT_ONCE // (len(rows.line) * len(columns.line)))
    for start in range(0, len(y), batch):
        cells = slice(start, start + batch)
        _paint_cells(label_map, margins, largest, rows, columns, y[cells], x[cells])
    return label_map


def _paint_cells(
    label_map: NDArray[np.uint16],
    margins: NDArray[np.float32],
    largest: NDArray[np.float32],
    rows: _Axis,
    columns: _Axis,
    y: NDArray[np.intp],
    x: NDArray[np.intp],
) -> None:
    """Interpolate margins [K, h, w] in the m cells (y, x), and write the winners to label_map.

    Uses ``take``, since ``[:, index]`` returns its axes transposed in memory.
    """
    map_width, m = margins.shape[2], len(y)
    top, bottom = rows.low[y] * map_width, rows.high[y] * map_width
    left, right = columns.low[x], columns.high[x]
    corners = np.stack([top + left, top + right, bottom + left, bottom + right])
    values = margins.reshape(len(margins), -1).take(corners, axis=1)  # [K, 4, m]

    # the seeds that may win in each cell, lowest label first, filled up with the last one: [R, m]
    rival = values.max(axis=1) >= values.min(axis=1).max(axis=0)
    count = rival.sum(axis=0)
    label = np.flatnonzero(rival.T) % len(margins)
    rivals = label[
        np.cumsum(count) - count + np.minimum(np.arange(count.max())[:, None], count - 1)
    ]

    # axes from here on: seed R, frame row, frame column, cell m
    down = rows.weight.take(y, axis=1)[:, None]
    along = columns.weight.take(x, axis=1)

    def interpolate(at_corners: NDArray[np.float32]) -> NDArray[np.float32]:
        """[4, R, m] → [R, frame rows, frame columns, m]."""
        a, b, c, d = at_corners[:, :, None, None, :]
        near = a + (c - a) * down
        far = b + (d - b) * down
        blend: NDArray[np.float32] = near + (far - near) * along
        return blend

    at_corner = np.arange(4 * m).reshape(4, 1, m) + rivals * (4 * m)
    value = interpolate(values.reshape(-1).take(at_corner))
    winner = first_argmax(value.reshape(len(rivals), -1))[1].reshape(value.shape[1:])
    won = rivals.reshape(-1).take(winner.astype(np.intp) * m + np.arange(m)) + 1
    won *= interpolate(largest.take(corners)[:, None])[0] > 0
    frame_y = rows.line.take(y, axis=1)[:, None]
    frame_x = columns.line.take(x, axis=1)
    label_map[frame_y, frame_x] = won


def _extents(
    label_map: NDArray[np.uint16], labels: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Measure area [K] and box [K, 4] of the labels 1..K, from runs of equal pixels in a row."""
    height, width = label_map.shape
    flat = label_map.reshape(-1)
    starts_run = np.ones(flat.size, np.bool_)
    np.not_equal(flat[1:], flat[:-1], out=starts_run[1:])
    starts_run[::width] = True
    start = np.flatnonzero(starts_run)
    length = np.diff(start, append=flat.size)
    drawn = flat[start] > 0
    k = flat[start[drawn]].astype(np.intp) - 1
    y, x = np.divmod(start[drawn], width)
    length = length[drawn]

    area = np.zeros(labels, np.int64)
    np.add.at(area, k, length)
    box = np.repeat(np.array([[width], [height], [0], [0]], np.int64), labels, axis=1)
    np.minimum.at(box[0], k, x)
    np.minimum.at(box[1], k, y)
    np.maximum.at(box[2], k, x + length)
    np.maximum.at(box[3], k, y + 1)
    box[:, area == 0] = 0
    return area, box.T.copy()

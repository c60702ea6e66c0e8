"""Runs of equal labels in COCO's order: down the columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamseg.kernels.checks import check_array


@dataclass(frozen=True, eq=False)
class Runs:
    """A label map as runs, which describe all its masks."""

    start: NDArray[np.int64]
    """[R], rising: x * H + y of the first pixel of each run; a run ends where the next starts."""
    label: NDArray[np.uint16]
    """[R]: the label of each run; 0 is background."""


def find_runs(label_map: NDArray[np.uint16]) -> Runs:
    """Find all runs of a frame with one comparison of neighbouring rows.

    A run goes down its column and continues at the top of the next one, as in COCO's run-length
    encoding.

    Args:
        label_map: uint16 [H, W].

    Raises:
        InputError: another shape or dtype, or empty.
    """
    check_array("label_map", label_map, np.uint16, ("H", "W"))
    height, width = label_map.shape
    # a run starts below a change in a column, or at the top of a column if the column before
    # ended with another label
    row, column = np.divmod(np.flatnonzero(label_map[1:] != label_map[:-1]), width)
    top = np.flatnonzero(label_map[0, 1:] != label_map[-1, :-1]) + 1
    start = np.concatenate([[0], column * height + row + 1, top * height])
    start.sort()
    column, row = np.divmod(start, height)
    return Runs(start, label_map[row, column])

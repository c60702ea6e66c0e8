"""Which masks are an object of their own and not one that a surer mask has shown already."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamseg.kernels.checks import check_array, check_number


def keep_visible(masks: NDArray[np.bool_], min_visible: float) -> NDArray[np.bool_]:
    """Go through masks, surest first, and keep those that are new for a large enough part.

    Two seeds just too far apart to claim each other still grow much the same mask: of those the
    surer one is the object. Only masks that are kept take pixels from later ones.

    Args:
        masks: bool [K, h, w], surest first; K may be 0.
        min_visible: 0..1, the part of a mask that no kept mask before may have; compared in
            float32. A mask without pixels is kept.

    Returns:
        bool [K].

    Raises:
        InputError: another shape or dtype, or a value out of range.
    """
    check_array("masks", masks, np.bool_, ("K", "h", "w"), empty=True)
    check_number("min_visible", min_visible, 0, 1)
    taken = np.zeros(masks.shape[1:], np.bool_)
    kept = np.zeros(len(masks), np.bool_)
    for k, mask in enumerate(masks):
        visible = np.count_nonzero(mask & ~taken)
        least = np.float32(min_visible) * np.float32(np.count_nonzero(mask))
        kept[k] = visible >= least
        if kept[k]:
            taken |= mask
    return kept

"""Choose the seeds that become instances: of seeds with almost the same mask, one is kept."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamseg.kernels.checks import check_array, check_between, check_number


def choose_seeds(
    seed_index: NDArray[np.int32],
    masks: NDArray[np.bool_],
    seediness: NDArray[np.float32],
    *,
    min_visible: float,
) -> NDArray[np.int32]:
    """Go through seeds, highest score first; keep those whose masks have a large enough new part.

    Two seeds on one object may differ just enough not to claim each other. Their masks are almost
    the same, and only the seed with the higher score is kept. A seed that is not kept takes no
    pixels from later ones. Of equal scores, the seed picked first comes first.

    Args:
        seed_index: int32 [K], flat pixel index y*w + x of each seed as ``group_pixels`` gives
            them; -1 marks an empty place.
        masks: bool [K, h, w].
        seediness: float32 [h, w].
        min_visible: 0..1, the least part of a mask that earlier kept masks do not cover; compared
            in float32. A mask without pixels is kept.

    Returns:
        int32 [M], the kept seeds, highest seediness first.

    Raises:
        InputError: another shape or dtype, or a value out of range.
    """
    check_array("seediness", seediness, np.float32, ("h", "w"))
    check_array("seed_index", seed_index, np.int32, ("K",), empty=True)
    check_between("seed_index", seed_index, -1, seediness.size - 1)
    check_array("masks", masks, np.bool_, (len(seed_index), *seediness.shape), empty=True)
    check_number("min_visible", min_visible, 0, 1)
    picked = np.flatnonzero(seed_index >= 0)
    order = picked[np.argsort(-seediness.flat[seed_index[picked]], kind="stable")]
    taken = np.zeros(seediness.shape, np.bool_)
    kept = []
    for k in order:
        mask = masks[k]
        visible = np.count_nonzero(mask & ~taken)
        if visible >= np.float32(min_visible) * np.float32(np.count_nonzero(mask)):
            taken |= mask
            kept.append(k)
    return seed_index[kept]

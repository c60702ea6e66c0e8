"""Which masks are an object of their own, decided on a GPU."""

from __future__ import annotations

import torch
from torch import Tensor

from streamseg.kernels.checks import check_number
from streamseg.kernels.device_checks import check_tensor
from streamseg.kernels.keep_visible.triton_kernel import visible_kernel

BLOCK = 4096
WARPS = 16


def keep_visible(masks: Tensor, min_visible: float, *, order: Tensor | None = None) -> Tensor:
    """``streamseg.kernels.keep_visible`` on a GPU; nothing waits for it.

    Args:
        masks: bool [K, h, w].
        min_visible: as for the reference.
        order: int64 [K], which mask comes when, surest first; by default as they lie.

    Returns:
        bool [K], in that order.

    Raises:
        InputError: another shape or dtype, or a value out of range.
    """
    check_tensor("masks", masks, torch.bool, ("K", "h", "w"), empty=True)
    check_number("min_visible", min_visible, 0, 1)
    count, height, width = masks.shape
    if order is None:
        order = torch.arange(count, device=masks.device)
    kept = torch.empty(count, dtype=torch.bool, device=masks.device)
    taken = torch.zeros(height * width, dtype=torch.uint8, device=masks.device)
    if count:
        visible_kernel[(1,)](
            masks.contiguous().view(torch.uint8),
            order,
            taken,
            kept.view(torch.uint8),
            height * width,
            count,
            min_visible,
            BLOCK=BLOCK,
            num_warps=WARPS,
        )
    return kept

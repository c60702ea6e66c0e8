"""Check dtype and shape of the Triton ops' tensors; a check of values would wait for the GPU."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from streamseg.errors import InputError
from streamseg.kernels.similarity import squared_radius


@lru_cache(maxsize=8)
def device_radius(taus: tuple[float, ...], device: torch.device) -> Tensor:
    """Compute ln(2/tau - 1) on the device; cached, since a model has one set of thresholds."""
    return torch.from_numpy(squared_radius(np.array(taus, np.float32))).to(device)


def check_tensor(
    name: str,
    tensor: Tensor,
    dtype: torch.dtype | None,
    axes: tuple[str | int, ...],
    *,
    empty: bool = False,
) -> None:
    """Refuse anything but a tensor of this dtype and shape.

    Args:
        name: name of the argument, for the error.
        tensor: the argument.
        dtype: the only one allowed; None allows every floating one.
        axes: one entry per axis: its size, or its name where any size will do.
        empty: whether an axis may have size 0.

    Raises:
        InputError: it is anything else.
    """
    right = tensor.is_floating_point() if dtype is None else tensor.dtype == dtype
    if right and tensor.ndim == len(axes) and (tensor.numel() or empty):
        sizes = zip(axes, tensor.shape, strict=True)
        if all(isinstance(axis, str) or axis == size for axis, size in sizes):
            return
    rule = "" if empty else " and not empty"
    raise InputError(
        f"{name} must be {dtype or 'floating'} [{', '.join(map(str, axes))}]{rule}, got "
        f"{tensor.dtype} {list(tensor.shape)}"
    )

"""Masks, surest first → which of them are an object of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from streamseg.kernels.implementations import takes_triton
from streamseg.kernels.keep_visible import reference

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["keep_visible"]


@overload
def keep_visible(
    masks: NDArray[np.bool_], min_visible: float, *, impl: str | None = None
) -> NDArray[np.bool_]: ...
@overload
def keep_visible(
    masks: Tensor, min_visible: float, *, order: Tensor | None = None, impl: str | None = None
) -> Tensor: ...
def keep_visible(masks: Any, min_visible: float, *, impl: str | None = None, **options: Any) -> Any:
    """See ``reference.keep_visible``, and ``triton_impl.keep_visible`` for CUDA tensors.

    Args:
        masks: bool [K, h, w].
        min_visible: the part of a mask that no kept mask before may have.
        impl: ``reference`` or ``triton``; by default the one that takes such an array.
        **options: as the implementation has them.

    Raises:
        InputError: an argument is not allowed, or not an array of that implementation.
    """
    if takes_triton(impl, masks):
        from streamseg.kernels.keep_visible import triton_impl

        return triton_impl.keep_visible(masks, min_visible, **options)
    return reference.keep_visible(masks, min_visible, **options)

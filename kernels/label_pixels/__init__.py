"""Embeddings and seeds → disjoint labels at frame size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from streamseg.kernels.implementations import takes_triton
from streamseg.kernels.label_pixels import reference
from streamseg.kernels.label_pixels.reference import Labels

if TYPE_CHECKING:
    from torch import Tensor

    from streamseg.kernels.label_pixels.triton_impl import DeviceLabels

__all__ = ["Labels", "label_pixels"]


@overload
def label_pixels(
    embeddings: NDArray[np.float32],
    seed_index: NDArray[np.int32],
    seed_tau: NDArray[np.float32],
    *,
    height: int,
    width: int,
    impl: str | None = None,
) -> Labels: ...
@overload
def label_pixels(
    embeddings: Tensor,
    seed_index: Tensor,
    seed_tau: Tensor,
    *,
    height: int,
    width: int,
    impl: str | None = None,
) -> DeviceLabels: ...
def label_pixels(embeddings: Any, *arguments: Any, impl: str | None = None, **options: Any) -> Any:
    """Run ``reference.label_pixels``, or ``triton_impl.label_pixels`` for CUDA tensors.

    Args:
        embeddings: [D, h, w], float32; on a GPU any floating type.
        *arguments: see the reference.
        impl: ``reference`` or ``triton``; by default the one for such an array.
        **options: see the implementation.

    Raises:
        InputError: an argument is not allowed, or an array that ``impl`` does not take.
    """
    if takes_triton(impl, embeddings):
        from streamseg.kernels.label_pixels import triton_impl

        return triton_impl.label_pixels(embeddings, *arguments, **options)
    return reference.label_pixels(embeddings, *arguments, **options)

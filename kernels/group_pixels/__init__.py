"""Embeddings and seediness → diverse seeds and the mask of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from streamseg.kernels.group_pixels import reference
from streamseg.kernels.group_pixels.reference import Groups
from streamseg.kernels.implementations import takes_triton

if TYPE_CHECKING:
    from torch import Tensor

    from streamseg.kernels.group_pixels.triton_impl import DeviceGroups

__all__ = ["Groups", "group_pixels"]


@overload
def group_pixels(
    embeddings: NDArray[np.float32],
    seediness: NDArray[np.float32],
    tau_index: NDArray[np.uint8],
    taus: NDArray[np.float32],
    *,
    alpha: float = 0.3,
    max_seeds: int,
    min_seediness: float,
    exclude_claimed: bool,
    impl: str | None = None,
) -> Groups: ...
@overload
def group_pixels(
    embeddings: Tensor,
    seediness: Tensor,
    tau_index: Tensor,
    taus: NDArray[np.float32],
    *,
    alpha: float = 0.3,
    max_seeds: int,
    min_seediness: float,
    exclude_claimed: bool,
    impl: str | None = None,
) -> DeviceGroups: ...
def group_pixels(embeddings: Any, *arguments: Any, impl: str | None = None, **options: Any) -> Any:
    """Run ``reference.group_pixels``, or ``triton_impl.group_pixels`` for CUDA tensors.

    Args:
        embeddings: [D, h, w], float32; on a GPU any floating type.
        *arguments: see the reference.
        impl: ``reference`` or ``triton``; by default the one for such an array.
        **options: see the implementation.

    Raises:
        InputError: an argument is not allowed, or an array that ``impl`` does not take.
    """
    if takes_triton(impl, embeddings):
        from streamseg.kernels.group_pixels import triton_impl

        return triton_impl.group_pixels(embeddings, *arguments, **options)
    return reference.group_pixels(embeddings, *arguments, **options)

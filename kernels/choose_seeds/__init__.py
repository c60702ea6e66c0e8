"""Seeds and their masks → the seeds that become instances."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from streamseg.kernels.choose_seeds import reference
from streamseg.kernels.implementations import takes_triton

if TYPE_CHECKING:
    from torch import Tensor

    from streamseg.kernels.choose_seeds.triton_impl import DeviceChoice

__all__ = ["choose_seeds"]


@overload
def choose_seeds(
    seed_index: NDArray[np.int32],
    masks: NDArray[np.bool_],
    seediness: NDArray[np.float32],
    *,
    min_visible: float,
    impl: str | None = None,
) -> NDArray[np.int32]: ...
@overload
def choose_seeds(
    seed_index: Tensor,
    masks: Tensor,
    seediness: Tensor,
    *,
    min_visible: float,
    count: Tensor,
    tau_index: Tensor,
    taus: NDArray[np.float32],
    impl: str | None = None,
) -> DeviceChoice: ...
def choose_seeds(seed_index: Any, *arguments: Any, impl: str | None = None, **options: Any) -> Any:
    """Run ``reference.choose_seeds``, or ``triton_impl.choose_seeds`` for CUDA tensors.

    Args:
        seed_index: int32 [K].
        *arguments: see the reference.
        impl: ``reference`` or ``triton``; by default the one for such an array.
        **options: see the implementation.

    Raises:
        InputError: an argument is not allowed, or an array that ``impl`` does not take.
    """
    if takes_triton(impl, seed_index):
        from streamseg.kernels.choose_seeds import triton_impl

        return triton_impl.choose_seeds(seed_index, *arguments, **options)
    return reference.choose_seeds(seed_index, *arguments, **options)

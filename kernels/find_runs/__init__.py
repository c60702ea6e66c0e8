"""Labels → runs of equal labels, in COCO's order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from streamseg.kernels.find_runs import reference
from streamseg.kernels.find_runs.reference import Runs
from streamseg.kernels.implementations import takes_triton

if TYPE_CHECKING:
    from torch import Tensor

    from streamseg.kernels.find_runs.triton_impl import DeviceRuns

__all__ = ["Runs", "find_runs"]


@overload
def find_runs(label_map: NDArray[np.uint16], *, impl: str | None = None) -> Runs: ...
@overload
def find_runs(label_map: Tensor, *, impl: str | None = None) -> DeviceRuns: ...
def find_runs(label_map: Any, *, impl: str | None = None) -> Any:
    """Run ``reference.find_runs``, or ``triton_impl.find_runs`` for CUDA tensors.

    Args:
        label_map: uint16 [H, W].
        impl: ``reference`` or ``triton``; by default the one for such an array.

    Raises:
        InputError: another shape or dtype, or an array that ``impl`` does not take.
    """
    if takes_triton(impl, label_map):
        from streamseg.kernels.find_runs import triton_impl

        return triton_impl.find_runs(label_map)
    return reference.find_runs(label_map)

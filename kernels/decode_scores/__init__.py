"""Foreground and classes → seediness, threshold and class of every pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from streamseg.kernels.decode_scores import reference
from streamseg.kernels.decode_scores.reference import Scores
from streamseg.kernels.implementations import takes_triton

if TYPE_CHECKING:
    from torch import Tensor

    from streamseg.kernels.decode_scores.triton_impl import DeviceScores

__all__ = ["Scores", "decode_scores"]


@overload
def decode_scores(
    foreground: NDArray[np.float32], classes: NDArray[np.float32], *, impl: str | None = None
) -> Scores: ...
@overload
def decode_scores(
    foreground: Tensor, classes: Tensor, *, impl: str | None = None
) -> DeviceScores: ...
def decode_scores(foreground: Any, classes: Any, *, impl: str | None = None) -> Any:
    """Run ``reference.decode_scores``, or ``triton_impl.decode_scores`` for CUDA tensors.

    Args:
        foreground: float32 [T, h, w]; on a GPU any floating type.
        classes: float32 [C, ceil(h/2), ceil(w/2)]; on a GPU of the foreground's type.
        impl: ``reference`` or ``triton``; by default the one for such an array.

    Raises:
        InputError: another shape or dtype, or an array that ``impl`` does not take.
    """
    if takes_triton(impl, foreground):
        from streamseg.kernels.decode_scores import triton_impl

        return triton_impl.decode_scores(foreground, classes)
    return reference.decode_scores(foreground, classes)

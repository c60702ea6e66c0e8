"""Which implementation of an op runs: numpy arrays take the reference, CUDA tensors Triton."""

from __future__ import annotations

import os
from typing import Any, Final

from streamseg.errors import InputError, MissingExtraError

IMPLEMENTATIONS: Final = ("reference", "triton")


def takes_triton(impl: str | None, array: Any) -> bool:
    """Whether an op on ``array`` is Triton's to run.

    Args:
        impl: ``reference`` or ``triton``, which is obeyed; None chooses by the array.
        array: the op's first argument, a numpy array or a torch tensor. Tensors on a CPU are
            taken only by Triton's interpreter, which ``TRITON_INTERPRET=1`` turns on.

    Raises:
        InputError: ``impl`` is none of these, or cannot take such an array.
        MissingExtraError: Triton is to run and is not installed.
    """
    if impl not in (None, *IMPLEMENTATIONS):
        raise InputError(f"impl must be {' or '.join(IMPLEMENTATIONS)}, got {impl!r}")
    is_tensor = type(array).__module__.partition(".")[0] == "torch"
    if (impl or ("triton" if is_tensor else "reference")) == "reference":
        if is_tensor:
            raise InputError("impl='reference' takes numpy arrays, got a torch tensor")
        return False
    if not is_tensor:
        raise InputError(f"impl='triton' takes torch tensors, got {type(array).__name__}")
    if array.device.type != "cuda" and os.environ.get("TRITON_INTERPRET") != "1":
        raise InputError(f"Triton runs on CUDA tensors, got one on {array.device}")
    try:
        import triton  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("triton", "gpu") from error
    return True

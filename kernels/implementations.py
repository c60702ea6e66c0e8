"""Choose an op's implementation: the reference for numpy arrays, Triton for CUDA tensors."""

from __future__ import annotations

import os
from typing import Any, Final

from streamseg.errors import InputError, MissingExtraError

IMPLEMENTATIONS: Final = ("reference", "triton")


def takes_triton(impl: str | None, array: Any) -> bool:
    """Return whether Triton runs an op on ``array``.

    Args:
        impl: ``reference`` or ``triton``; None chooses by the array.
        array: the op's first argument, a numpy array or a torch tensor. Only Triton's interpreter
            takes tensors on a CPU; ``TRITON_INTERPRET=1`` turns it on.

    Raises:
        InputError: ``impl`` has another value, or does not take such an array.
        MissingExtraError: Triton is needed and not installed.
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

"""The launch of a kernel: grid, arrays, numbers and constants, computed from shapes.

Pure Python. Each op's ``launch.py`` makes a ``Launch`` from shapes. Everything that starts or
compiles a kernel uses it: the Triton ops, the plan of a frame, the table of compiled kernels, the
export for vehicles, and the vehicle itself, which has neither torch nor Triton.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

Scalar: TypeAlias = int | float
NETWORK: Final = "network"
"""Type of an array that has the dtype of the network's output."""


@dataclass(frozen=True)
class Launch:
    """One launch of a kernel: everything except the addresses of its arrays."""

    kernel: str
    """Name of the function in the op's ``triton_kernel.py``, without the ending ``_kernel``."""
    grid: tuple[int, int]
    pointers: Mapping[str, str]
    """Name and type of each array, in the order of the arguments: ``fp32``, ``i32``, ``u8``, ... or
    ``NETWORK``. A name means the same array in all kernels."""
    scalars: Mapping[str, Scalar]
    """Numbers, in the order of the arguments, after the pointers."""
    constants: Mapping[str, int | bool]
    """Values that are compiled into the kernel."""
    warps: int = field(default=4, kw_only=True)
    cooperative: bool = field(default=False, kw_only=True)
    """All programs must run at the same time."""


def cdiv(number: int, divisor: int) -> int:
    """Divide and round up."""
    return -(-number // divisor)


def power_of_two(number: int) -> int:
    """Return the smallest power of two that is at least ``number``."""
    return 1 << (number - 1).bit_length()


def rounded(dims: int) -> int:
    """Round dimensions up to those of a tile: a power of two, at least 16 for tensor cores."""
    return max(16, power_of_two(dims))

"""How a kernel is started: grid, arrays, whole numbers and constants, from shapes alone.

Pure Python. Each op's ``launch.py`` makes a ``Launch`` of its shapes. The Triton ops start their
kernels with it; so do the table of compiled kernels, the files made for vehicles, and the vehicle
itself, which has neither torch nor Triton.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

Scalar: TypeAlias = int | float
NETWORK: Final = "network"
"""As the type of an array: whatever the network computes in."""


@dataclass(frozen=True)
class Launch:
    """One start of a kernel: everything but where its arrays lie."""

    kernel: str
    """Of ``<kernel>_kernel`` in the ``triton_kernel.py`` of its op."""
    grid: tuple[int, int]
    pointers: Mapping[str, str]
    """Name and type of each array that it is given, in the order of its arguments: ``fp32``,
    ``i32``, ``u8``, ... or ``NETWORK``. In all kernels a name means the same array."""
    scalars: Mapping[str, Scalar]
    """In the order of its arguments, after the pointers."""
    constants: Mapping[str, int | bool]
    """Compiled in."""
    warps: int = field(default=4, kw_only=True)
    cooperative: bool = field(default=False, kw_only=True)
    """All programs must run at the same time."""


def cdiv(number: int, divisor: int) -> int:
    """Quotient, rounded up."""
    return -(-number // divisor)


def power_of_two(number: int) -> int:
    """The smallest power of two that is not below ``number``."""
    return 1 << (number - 1).bit_length()


def rounded(dims: int) -> int:
    """Dimensions of a tile of embeddings: what a tensor core multiplies, a power of two."""
    return max(16, power_of_two(dims))

"""Blocks of memory that hold several arrays, on a device and in copies on the host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamseg.kernels.launch import cdiv

NUMPY_TYPES: Final[Mapping[str, np.dtype[Any]]] = {
    "fp16": np.dtype(np.float16),
    "fp32": np.dtype(np.float32),
    "i64": np.dtype(np.int64),
    "i32": np.dtype(np.int32),
    "u16": np.dtype(np.uint16),
    "u8": np.dtype(np.uint8),
}
"""numpy's dtypes by their names in ``Launch.pointers``."""
ALIGNMENT: Final = 256
"""Alignment of every array, in bytes."""


@dataclass(frozen=True)
class Array:
    """dtype, shape and place of an array in a block of memory."""

    kind: str
    """A key of ``NUMPY_TYPES``."""
    shape: tuple[int, ...]
    offset: int
    """Distance from the start of the block, in bytes."""

    @property
    def bytes(self) -> int:
        """Size in bytes, without the gap after the array."""
        return NUMPY_TYPES[self.kind].itemsize * prod(self.shape)


@dataclass(frozen=True)
class Block:
    """Arrays that are allocated, cleared or copied together."""

    arrays: Mapping[str, Array]
    bytes: int

    def views(self, memory: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        """View the arrays in a copy of the block in host memory, uint8 [bytes]."""
        return {
            name: memory[array.offset : array.offset + array.bytes]
            .view(NUMPY_TYPES[array.kind])
            .reshape(array.shape)
            for name, array in self.arrays.items()
        }


def place_arrays(kinds: Mapping[str, str], **shapes: tuple[int, ...]) -> Block:
    """Place arrays one after another in a block.

    Args:
        kinds: a key of ``NUMPY_TYPES`` for each array.
        shapes: of the arrays, in their order in the block.
    """
    placed, offset = {}, 0
    for name, shape in shapes.items():
        placed[name] = Array(kinds[name], shape, offset)
        offset += cdiv(placed[name].bytes, ALIGNMENT) * ALIGNMENT
    return Block(placed, offset)

"""Scale values of more than 8 bits to bytes, by the depth that is really used."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Cameras store 10, 12 or 14 bits in 16, and programs 8 in 32, without stating it.
_DEPTHS = (8, 10, 12, 14, 16, 20, 24, 32)


class Levels:
    """Scales all images of one source alike.

    The depth is the one that the file states, or else the smallest usual depth that holds all
    values of this image and earlier ones. Floating-point values are from 0 to 1, unless they are
    far larger.
    """

    def __init__(self) -> None:
        """Start with 8 bits."""
        self._bits = _DEPTHS[0]

    def to_bytes(self, values: NDArray[Any], stated_bits: int | None = None) -> NDArray[np.uint8]:
        """Scale one image.

        Args:
            values: of any shape, integer or floating-point; negative values become 0.
            stated_bits: the depth that the file states.
        """
        finite = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
        highest = float(finite.max(initial=0))
        if values.dtype.kind == "f" and highest <= 2:  # a sharpened image exceeds 1 a little
            return np.asarray(np.clip(np.round(finite * 255), 0, 255), np.uint8)
        if stated_bits is None:
            fitting = (bits for bits in _DEPTHS if highest < 2**bits)
            self._bits = max(self._bits, next(fitting, _DEPTHS[-1]))
        step = 2.0 ** ((stated_bits or self._bits) - 8)
        return np.asarray(np.clip(finite // step, 0, 255), np.uint8)

"""From numbers of more than 8 bits to bytes: scaled by the depth that was really used."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Cameras put 10, 12 or 14 bits into 16, and programs 8 into 32, without saying so.
_DEPTHS = (8, 10, 12, 14, 16, 20, 24, 32)


class Levels:
    """Scales the images of one source alike.

    A file's own word on its depth counts. Without it, it is the least of the usual depths that
    holds all values of this image and those before. Numbers with a fraction are from 0 to 1,
    unless they are far above.
    """

    def __init__(self) -> None:
        """Start with the least depth."""
        self._bits = _DEPTHS[0]

    def to_bytes(self, values: NDArray[Any], stated_bits: int | None = None) -> NDArray[np.uint8]:
        """Scale one image.

        Args:
            values: of any shape, whole numbers or with a fraction; none below 0 counts.
            stated_bits: the depth by the file's own word.
        """
        finite = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
        highest = float(finite.max(initial=0))
        if values.dtype.kind == "f" and highest <= 2:  # a sharpened image goes beyond 1 a little
            return np.asarray(np.clip(np.round(finite * 255), 0, 255), np.uint8)
        if stated_bits is None:
            fitting = (bits for bits in _DEPTHS if highest < 2**bits)
            self._bits = max(self._bits, next(fitting, _DEPTHS[-1]))
        step = 2.0 ** ((stated_bits or self._bits) - 8)
        return np.asarray(np.clip(finite // step, 0, 255), np.uint8)

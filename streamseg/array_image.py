"""An image in memory, rendered at any size: for frames that have no decoder."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamseg.errors import InputError


@dataclass(frozen=True, eq=False)
class ArrayImage:
    """Renders ``pixels``, RGB uint8 [H, W, 3]; unlike a closure it can be pickled."""

    pixels: NDArray[np.uint8]

    def __call__(self, width: int, height: int) -> NDArray[np.uint8]:
        """The image as RGB uint8 [height, width, 3]; at its own size it is ``pixels`` itself.

        Raises:
            InputError: the width or height is below one pixel.
        """
        if width < 1 or height < 1:
            raise InputError(f"an image must have at least 1x1 pixels, got {width}x{height}")
        if (height, width) == self.pixels.shape[:2]:
            return np.ascontiguousarray(self.pixels)
        from PIL import Image

        resized = Image.fromarray(self.pixels).resize((width, height), Image.Resampling.BILINEAR)
        return np.asarray(resized)

"""What a network's input must be."""

from __future__ import annotations

import numpy as np

from streamseg.config import SIZE_MULTIPLE
from streamseg.errors import InputError
from streamseg.results import Image


def check_network_picture(image: Image, size: tuple[int, int] | None = None) -> None:
    """Refuse a picture that a network does not take.

    Args:
        image: to be RGB uint8 [H, W, 3], both sides multiples of 32.
        size: width and height in pixels of the only pictures that it takes; None takes any.

    Raises:
        InputError: it is something else.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise InputError(
            f"image must be RGB uint8 [H, W, 3], got {image.dtype} {list(image.shape)}"
        )
    height, width = image.shape[:2]
    if not height or not width or height % SIZE_MULTIPLE or width % SIZE_MULTIPLE:
        raise InputError(
            f"network input must be a multiple of {SIZE_MULTIPLE} on both sides, "
            f"got {width}x{height}"
        )
    if size and size != (width, height):
        raise InputError(
            f"the model was exported for pictures of {size[0]}x{size[1]} only, got {width}x{height}"
        )

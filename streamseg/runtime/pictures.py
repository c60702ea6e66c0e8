"""What a network's input must be."""

from __future__ import annotations

import numpy as np

from streamseg.config import SIZE_MULTIPLE
from streamseg.errors import InputError
from streamseg.results import Image


def check_network_picture(image: Image) -> None:
    """Refuse a picture that no network takes.

    Raises:
        InputError: not RGB uint8 [H, W, 3], or a side that is no multiple of 32.
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

"""A picture in memory → a frame, as if it came from a video."""

from __future__ import annotations

import numpy as np

from streamseg.array_picture import ArrayPicture
from streamseg.errors import InputError
from streamseg.results import Frame, Image


def frame_of_array(image: Image) -> Frame:
    """Wrap a picture that a caller holds.

    Raises:
        InputError: not RGB uint8 [H, W, 3], or without pixels.
    """
    if not isinstance(image, np.ndarray):
        raise InputError(
            f"image must be a numpy array, got {type(image).__name__}; "
            f"for files and cameras use stream()"
        )
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise InputError(
            f"image must be RGB uint8 [H, W, 3], got {image.dtype} {list(image.shape)}"
        )

    height, width = image.shape[:2]
    return Frame(index=0, pts_seconds=0.0, height=height, width=width, render=ArrayPicture(image))

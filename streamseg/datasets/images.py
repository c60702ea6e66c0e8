"""Read images and masks as arrays; every error names the file."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import UnidentifiedImageError

from streamseg.errors import DataError
from streamseg.results import Image


def read_image(path: Path) -> Image:
    """Read an image as RGB uint8 [H, W, 3], without applying EXIF orientation, as for the masks.

    Raises:
        DataError: the file cannot be read.
    """
    with _open(path) as image:
        return np.array(image.convert("RGB"))


def read_indices(path: Path) -> NDArray[np.uint8]:
    """Read the stored values of a palette or grey PNG, uint8 [H, W].

    Raises:
        DataError: the file cannot be read, or is of another mode.
    """
    with _open(path) as image:
        if image.mode not in ("P", "L"):
            raise DataError(
                f"{path}: mode {image.mode}; a mask is a palette (P) or 8-bit grey (L) image"
            )
        return np.array(image)


def check_size(
    path: Path, pixels: NDArray[np.uint8], mask_name: str | Path, mask: NDArray[np.uint8]
) -> None:
    """Refuse an image that is not of the size of its mask.

    Raises:
        DataError: their heights or widths differ.
    """
    if pixels.shape[:2] != mask.shape:
        height, width = pixels.shape[:2]
        mask_height, mask_width = mask.shape
        raise DataError(
            f"{path} is {width}x{height} pixels, but {mask_name} is {mask_width}x{mask_height}"
        )


def _open(path: Path) -> PillowImage.Image:
    """Open and decode."""
    try:
        data = path.read_bytes()
        if not data:
            raise DataError(f"{path} is empty (0 bytes)")
        image = PillowImage.open(BytesIO(data))
        image.load()
    except UnidentifiedImageError as error:
        raise DataError(f"{path} is not an image") from error
    # SyntaxError and ValueError are what Pillow's PNG and JPEG readers raise on broken chunks,
    # DecompressionBombError what it makes of a broken header that promises a giant image
    except (OSError, SyntaxError, ValueError, PillowImage.DecompressionBombError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    return image

"""Read images and masks as arrays; every error names the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import UnidentifiedImageError

from streamseg.errors import DataError
from streamseg.frame import Image
from streamseg.video.image_files import HEIF_SUFFIXES
from streamseg.video.image_pages import UNREADABLE, PageReader, orientation_of


class Header(NamedTuple):
    """What the beginning of an image file says."""

    height: int
    """As stored, in pixels."""
    width: int
    """As stored, in pixels."""
    orientation: int
    """1 to 8, as in EXIF data; 1 if the image is to be shown as it is stored."""

    def shape(self, *, upright: bool) -> tuple[int, int]:
        """Height and width of the image, turned as its EXIF data say or as stored."""
        is_sideways = upright and self.orientation >= 5
        return (self.width, self.height) if is_sideways else (self.height, self.width)


def read_header(path: Path) -> Header:
    """Read size and orientation of an image, without decoding it where Pillow can do that.

    Raises:
        DataError: the file cannot be read.
    """
    if path.suffix.lower() in HEIF_SUFFIXES:
        height, width = read_image(path, upright=True).shape[:2]
        return Header(height, width, 1)
    with _reading(path), PillowImage.open(path) as opened:
        # Pillow turns a TIFF itself
        orientation = 1 if opened.format == "TIFF" else orientation_of(opened)
        return Header(opened.height, opened.width, orientation)


def read_image(path: Path, *, upright: bool) -> Image:
    """Read an image, its first page, as ``streamseg run`` does.

    More than 8 bits are scaled by the depth that the image uses.

    Args:
        path: the file.
        upright: turn the image as its EXIF data say.

    Returns:
        RGB uint8 [H, W, 3].

    Raises:
        DataError: the file cannot be read.
    """
    with _reading(path):
        page = next(PageReader(upright=upright).pages(path))
    return np.array(page.image)


def decode_image(place: str, data: bytes) -> Image:
    """Decode the bytes of an image file as ``read_image`` does, turned as its EXIF data say.

    Args:
        place: where they are from, for messages.
        data: the bytes.

    Returns:
        RGB uint8 [H, W, 3].

    Raises:
        DataError: they are not an image.
    """
    with _reading(place), PillowImage.open(BytesIO(data)) as opened:
        page = next(PageReader().pages_of(opened, BytesIO(data)))
    return np.array(page.image)


def read_mask(path: Path, *, by_colour: bool) -> NDArray[np.uint8]:
    """Read a mask.

    Args:
        path: the file, of any kind that loses nothing.
        by_colour: the indices of a palette mean nothing, only its colours do.

    Returns:
        uint8 [H, W], the stored values of a palette or grey image, or [H, W, 3], RGB.

    Raises:
        DataError: the file cannot be read, or is of another mode.
    """
    with _reading(path), PillowImage.open(path) as image:
        if image.mode in ("RGB", "RGBA") or (image.mode == "P" and by_colour):
            return np.array(image.convert("RGB"))
        if image.mode in ("P", "L"):
            return np.array(image)
        raise DataError(
            f"{path}: mode {image.mode}; a mask is a palette (P), 8-bit grey (L) or colour image"
        )


def read_grey(path: Path) -> NDArray[np.int32]:
    """Read the values of a grey PNG of 8 or 16 bits, int32 [H, W].

    Raises:
        DataError: the file cannot be read, or is of another mode.
    """
    with _reading(path), PillowImage.open(path) as image:
        if image.mode != "L" and not image.mode.startswith("I"):
            raise DataError(f"{path}: mode {image.mode}; it must be a grey image")
        return np.array(image).astype(np.int32)


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


@contextmanager
def _reading(place: Path | str) -> Iterator[None]:
    """Turn what reading an image may raise into errors that name the file."""
    try:
        yield
    except DataError:
        raise
    except UnidentifiedImageError as error:
        is_empty = isinstance(place, Path) and not place.stat().st_size
        what = "is empty (0 bytes)" if is_empty else "is not an image"
        raise DataError(f"{place} {what}") from error
    except UNREADABLE as error:
        raise DataError(f"{place} cannot be read: {error}") from error

"""The pages of an image file as RGB images, read with Pillow."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import PIL.Image
from PIL.Image import Transpose

from streamseg.errors import SourceError
from streamseg.video.image_files import HEIF_SUFFIXES, NOT_READ_SUFFIXES
from streamseg.video.levels import Levels

UNREADABLE = (
    OSError,
    SyntaxError,  # Pillow raises it for a broken PNG
    ValueError,
    EOFError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    RuntimeError,
    struct.error,
    PIL.Image.DecompressionBombError,
)
"""Exceptions that reading a damaged image may raise."""

# In other formats, such as a phone's JPEG, further images are previews and depth maps.
_PAGED_FORMATS = frozenset({"AVIF", "GIF", "PNG", "TIFF", "WEBP"})
_ORIENTATION = 0x0112
_TURNS = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
_TIFF_KIND, _TIFF_BITS, _TIFF_HIGHEST = 254, 258, 281
_TIFF_PREVIEW_OR_MASK = 1 | 4


class Page(NamedTuple):
    """One image of a file."""

    image: PIL.Image.Image
    """In mode RGB; an alpha channel is dropped."""
    duration_seconds: float | None
    """How long it is shown; None if the file does not state it."""


class PageReader:
    """Reads the image files of one source; all images of more than 8 bits are scaled alike."""

    def __init__(self, *, upright: bool = True) -> None:
        """Start without levels.

        Args:
            upright: rotate images by their EXIF orientation; if not, they are as Pillow reads
                them, which rotates TIFF files only.
        """
        self._upright = upright
        self._levels = Levels()
        self.latest_count = 1
        """Number of images in the file that was read last, as the file states it."""

    def pages(self, path: Path) -> Iterator[Page]:
        """Read all images of a file: of an animation, or the pages of a TIFF.

        Raises:
            one of ``UNREADABLE``.
        """
        suffix = path.suffix.lower()
        if suffix in NOT_READ_SUFFIXES:
            raise SourceError(f"{suffix} images are not supported; convert it")
        try:
            opened = PIL.Image.open(path)
        except PIL.UnidentifiedImageError:
            if suffix not in HEIF_SUFFIXES:
                raise
            yield Page(_read_heif(path), None)
            return
        with opened:
            yield from self.pages_of(opened, path)

    def pages_of(self, opened: PIL.Image.Image, file: Path | BinaryIO) -> Iterator[Page]:
        """Read all images of a file that Pillow has opened.

        Args:
            opened: the file as Pillow has opened it.
            file: the file itself, for FFmpeg, which reads colours of more than 8 bits.

        Raises:
            one of ``UNREADABLE``.
        """
        is_paged = opened.format in _PAGED_FORMATS
        self.latest_count = getattr(opened, "n_frames", 1) if is_paged else 1
        is_found = False
        # the first image of an APNG may be a fallback for programs without animation
        first = int(bool(getattr(opened, "default_image", False)))
        for number in range(first, self.latest_count):
            opened.seek(number)
            tags = getattr(opened, "tag_v2", {})
            if not tags.get(_TIFF_KIND, 0) & _TIFF_PREVIEW_OR_MASK:
                is_found = True
                image = self._rgb(opened, file)
                milliseconds = float(opened.info.get("duration") or 0)
                yield Page(image, milliseconds / 1e3 or None)
        if not is_found:
            raise SourceError("it holds previews only")

    def _rgb(self, opened: PIL.Image.Image, file: Path | BinaryIO) -> PIL.Image.Image:
        tiles = getattr(opened, "tile", [])
        raw_mode = str(tiles[0][3]) if tiles else ""
        stated_orientation = orientation_of(opened)
        opened.load()
        orientation_left = orientation_of(opened)
        stored = opened
        if opened.mode == "F" or opened.mode.startswith("I"):
            bits = _stated_bits(opened)
            stored = PIL.Image.fromarray(self._levels.to_bytes(np.asarray(opened), bits))
        elif ";16" in raw_mode and self.latest_count == 1:
            # Pillow keeps the upper byte of colours, which is dark for 12 bits
            deep = self._deep_colours(file)
            stored, orientation_left = (
                (deep, stated_orientation) if deep else (opened, orientation_left)
            )
        is_turned = self._upright or opened.format == "TIFF"  # Pillow itself turns a TIFF
        turn = _TURNS.get(orientation_left) if is_turned else None
        return (stored if turn is None else stored.transpose(turn)).convert("RGB")

    def _deep_colours(self, file: Path | BinaryIO) -> PIL.Image.Image | None:
        """The image as FFmpeg reads it, not rotated; None if it cannot."""
        import av
        import av.error

        try:
            opened = str(file.absolute()) if isinstance(file, Path) else file
            with av.open(opened, metadata_errors="replace") as container:
                values = next(container.decode(video=0)).to_ndarray(format="rgb48le")
        except (av.error.FFmpegError, StopIteration):
            return None
        return PIL.Image.fromarray(self._levels.to_bytes(values))


def orientation_of(opened: PIL.Image.Image) -> int:
    """How to turn an image upright: a key of ``_TURNS``; 1 means not at all.

    5 to 8 swap height and width. It is also 1 if the EXIF data cannot be read.
    """
    try:
        orientation = opened.getexif().get(_ORIENTATION)
    except UNREADABLE:
        return 1
    return orientation if isinstance(orientation, int) and orientation in _TURNS else 1


def _stated_bits(opened: PIL.Image.Image) -> int | None:
    """The depth of grey values as the file states it; 16 and 32 are only the size of a number."""
    if opened.format == "PPM":  # Pillow has scaled it to 16 bits
        return 16
    tags = getattr(opened, "tag_v2", {})
    highest = tags.get(_TIFF_HIGHEST)
    if highest:
        return int(max(np.ravel(highest))).bit_length()
    bits = int(max(np.ravel(tags.get(_TIFF_BITS, 16))))
    return None if bits in (16, 32) else bits


def _read_heif(path: Path) -> PIL.Image.Image:
    """Read a HEIC or AVIF file that Pillow does not, with pillow-heif or FFmpeg.

    Raises:
        SourceError: it is made of tiles and pillow-heif is not installed; or it is damaged.
    """
    try:
        import pillow_heif

        heif = pillow_heif.open_heif(path)
        image: PIL.Image.Image = heif[heif.primary_index].to_pillow()
        return image.convert("RGB")
    except (ImportError, RuntimeError):  # not installed; or not built for this codec
        from streamseg.video.containers import open_file

        with open_file(path) as video:
            return PIL.Image.fromarray(next(video).image)

"""Read single images, folders of images and glob patterns as if they were videos."""

from __future__ import annotations

import struct
import time
from collections.abc import Generator, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageOps

from streamseg.errors import InputError, SourceError
from streamseg.results import Frame, Image
from streamseg.video.base import Source
from streamseg.video.credentials import masked
from streamseg.video.image_files import IMAGE_SUFFIXES, images_in, images_of, names_of, numbers_of

# Images carry no time: they are shown at this nominal rate.
_RATE = Fraction(25)

_UNREADABLE = (
    OSError,
    SyntaxError,  # Pillow's word for a broken PNG
    ValueError,
    EOFError,
    struct.error,
    PIL.Image.DecompressionBombError,
)


class ImageSource(Source):
    """Images in the given order, at a nominal 25 per second.

    ``Frame.index`` is the position in the list and ``pts_seconds`` is index / 25, so an
    unreadable image leaves a gap in both. EXIF orientation is applied; of animated files the
    first picture is taken.
    """

    def __init__(self, paths: Sequence[Path], description: str) -> None:
        """Read the first readable image.

        Args:
            paths: the files, at least one.
            description: what they are, for messages.

        Raises:
            SourceError: none of them can be read.
        """
        super().__init__(
            self._read(paths),
            description,
            time_base=1 / _RATE,
            average_rate=_RATE,
            frame_count=len(paths),
            duration_seconds=float(len(paths) / _RATE),
        )

    def _read(self, paths: Sequence[Path]) -> Generator[Frame, None, None]:
        names = names_of(paths)
        numbers = numbers_of(paths, self.description)
        for index, path in enumerate(paths):
            started = time.perf_counter()
            try:
                upright = _load(path)
            except _UNREADABLE as error:
                self._skip(str(path), str(error))
                continue
            self.decode_ms = 1e3 * (time.perf_counter() - started)
            render = partial(_render, upright)
            yield Frame(
                index,
                float(index / _RATE),
                upright.height,
                upright.width,
                render,
                picture_name=names[index],
                picture_number=numbers[index],
            )


def open_image(path: Path) -> ImageSource:
    """Open one image.

    Raises:
        SourceError: it cannot be read.
    """
    return ImageSource([path], str(path))


def open_folder(folder: Path) -> ImageSource:
    """Open all images of a folder, in natural order.

    Raises:
        SourceError: there is no image in it, or none can be read.
    """
    return _open_images(images_in(folder), f"folder {folder}")


def open_pattern(pattern: str) -> ImageSource:
    """Open all images that a glob pattern matches, in natural order; ``**`` goes into folders.

    Raises:
        SourceError: it matches no image, or none can be read.
    """
    return _open_images(images_of(pattern), f"pattern {masked(pattern)}")


def _open_images(paths: Sequence[Path], description: str) -> ImageSource:
    if not paths:
        kinds = " ".join(sorted(IMAGE_SUFFIXES))
        raise SourceError(
            f"{description} holds no images (looked for {kinds}); videos are opened one by one"
        )
    return ImageSource(paths, description)


def _load(path: Path) -> PIL.Image.Image:
    """Return the upright picture in mode RGB; an alpha channel is dropped."""
    with PIL.Image.open(path) as opened:
        upright = PIL.ImageOps.exif_transpose(opened)
        if upright.mode.startswith("I"):  # 16 bits of grey, which Pillow would clip, not scale
            upright = PIL.Image.fromarray((np.asarray(upright) >> 8).astype(np.uint8))
        return upright.convert("RGB")


def _render(upright: PIL.Image.Image, width: int, height: int) -> Image:
    if width < 1 or height < 1:
        raise InputError(f"a picture is at least 1x1 pixels, got {width}x{height}")
    return np.array(upright.resize((width, height), PIL.Image.Resampling.BILINEAR))

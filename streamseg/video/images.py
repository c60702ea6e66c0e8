"""Read single images, folders of images and glob patterns as if they were videos."""

from __future__ import annotations

import glob
import re
import struct
import time
from collections.abc import Generator, Iterable, Sequence
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

IMAGE_SUFFIXES = frozenset(
    {".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)
"""File names that are taken for still images, in lower case; all others are tried as videos."""

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
        names = _names(paths)
        numbers = _numbers(names)
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
    """Open all images of a folder, sorted naturally: ``2.png`` comes before ``10.png``.

    Raises:
        SourceError: there is no image in it, or none can be read.
    """
    return _open_images(images_in(folder), f"folder {folder}")


def open_pattern(pattern: str) -> ImageSource:
    """Open all images that a glob pattern matches, sorted naturally; ``**`` goes into folders.

    Raises:
        SourceError: it matches no image, or none can be read.
    """
    return _open_images(images_of(pattern), f"pattern {masked(pattern)}")


def images_in(folder: Path) -> list[Path]:
    """The images of a folder, in no order."""
    return _images(folder.iterdir())


def images_of(pattern: str) -> list[Path]:
    """The images that a glob pattern matches, in no order."""
    return _images(map(Path, glob.iglob(pattern, recursive=True)))


def _images(candidates: Iterable[Path]) -> list[Path]:
    return [p for p in candidates if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file()]


def _open_images(paths: Sequence[Path], description: str) -> ImageSource:
    if not paths:
        kinds = " ".join(sorted(IMAGE_SUFFIXES))
        raise SourceError(
            f"{description} holds no images (looked for {kinds}); videos are opened one by one"
        )
    return ImageSource(sorted(paths, key=_natural_key), description)


def _natural_key(path: Path) -> list[tuple[int, str]]:
    """Split into runs of digits and of other characters, digits compared as numbers."""
    parts = re.split(r"(\d+)", str(path))
    return [(int(part), "") if part.isdecimal() else (0, part) for part in parts]


def _names(paths: Sequence[Path]) -> list[str | None]:
    """Names without suffixes; all None where two are the same, which could not be told apart."""
    names = [path.stem for path in paths]
    return list(names) if len(set(names)) == len(names) else [None] * len(names)


def _numbers(names: Sequence[str | None]) -> list[int | None]:
    """Names as numbers; all None unless every one is a number of its own."""
    numbers = {int(name) for name in names if name and name.isascii() and name.isdecimal()}
    if len(numbers) < len(names):
        return [None] * len(names)
    return [int(name) for name in names if name]


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

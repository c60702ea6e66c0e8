"""Read single images, folders of images and glob patterns as if they were videos."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import PIL.Image

from streamseg.errors import InputError, SourceError
from streamseg.frame import UNNUMBERED, Frame, Image
from streamseg.video.base import Source
from streamseg.video.credentials import masked
from streamseg.video.image_files import IMAGE_SUFFIXES, images_in, images_of, names_of, numbers_of
from streamseg.video.image_pages import UNREADABLE, PageReader

NOMINAL_RATE = Fraction(25)
"""Nominal images per second of sources without times."""


class ImageSource(Source):
    """Images in the given order, at a nominal 25 per second.

    All pages of a file are read, for example of an animation. ``Frame.index`` counts pages and
    unreadable images, and ``pts_seconds`` is index / 25: an unreadable image leaves a gap in both.
    A single animation has its own times. EXIF orientation is applied.
    """

    def __init__(self, paths: Sequence[Path], description: str) -> None:
        """Read the first readable image.

        Args:
            paths: the files, at least one.
            description: name for messages.

        Raises:
            SourceError: none of them can be read.
        """
        self._reader = PageReader()
        super().__init__(
            self._read(paths),
            description,
            time_base=1 / NOMINAL_RATE,
            average_rate=NOMINAL_RATE,
            frame_count=len(paths),
            duration_seconds=float(len(paths) / NOMINAL_RATE),
        )
        if len(paths) == 1 and self._reader.latest_count > 1:
            self.frame_count, self.duration_seconds = self._reader.latest_count, None

    def _read(self, paths: Sequence[Path]) -> Generator[Frame, None, None]:
        names = names_of(paths)
        numbers = numbers_of(paths, self.description)
        index, own_seconds = 0, 0.0
        for path, name, number in zip(paths, names, numbers, strict=True):
            page_number = 0
            started = time.perf_counter()
            try:
                for page in self._reader.pages(path):
                    self.decode_ms = 1e3 * (time.perf_counter() - started)
                    upright, seconds = page
                    yield Frame(
                        index,
                        own_seconds if len(paths) == 1 else float(index / NOMINAL_RATE),
                        upright.height,
                        upright.width,
                        partial(_render, upright),
                        is_still=True,
                        image_name=name and f"{name}-{page_number}" if page_number else name,
                        image_number=number if number is None or not page_number else UNNUMBERED,
                    )
                    own_seconds += seconds or float(1 / NOMINAL_RATE)
                    index += 1
                    page_number += 1
                    started = time.perf_counter()
            except UNREADABLE as error:
                what = f"page {page_number} of {path}" if page_number else str(path)
                self._skip(what, str(error))
                index += 1


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
        SourceError: no image matches, or none can be read.
    """
    return _open_images(images_of(pattern), f"pattern {masked(pattern)}")


def _open_images(paths: Sequence[Path], description: str) -> ImageSource:
    if not paths:
        kinds = " ".join(sorted(IMAGE_SUFFIXES))
        raise SourceError(
            f"{description} holds no images (looked for {kinds}); videos are opened one by one"
        )
    return ImageSource(paths, description)


def _render(upright: PIL.Image.Image, width: int, height: int) -> Image:
    if width < 1 or height < 1:
        raise InputError(f"an image is at least 1x1 pixels, got {width}x{height}")
    return np.array(upright.resize((width, height), PIL.Image.Resampling.BILINEAR))

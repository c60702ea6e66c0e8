"""The image files of a folder or pattern: their order, names and numbers."""

from __future__ import annotations

import glob
import logging
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from streamseg.frame import UNNUMBERED
from streamseg.video.local_paths import entries

logger = logging.getLogger(__name__)

HEIF_SUFFIXES = frozenset({".avif", ".heic", ".heif", ".hif"})
IMAGE_SUFFIXES = HEIF_SUFFIXES | {
    ".apng", ".bmp", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm",
    ".ppm", ".tga", ".tif", ".tiff", ".webp",
}  # fmt: skip
"""Suffixes of still images, in lower case; other files are opened as videos."""

NOT_READ_SUFFIXES = frozenset(
    {".arw", ".cr2", ".cr3", ".dng", ".exr", ".hdr", ".jxl", ".nef", ".orf", ".psd", ".raf", ".rw2"}
)
"""Images that cannot be read; those in a folder are counted as unreadable."""

_IN_FOLDERS = IMAGE_SUFFIXES | NOT_READ_SUFFIXES | {".gif"}


def images_in(folder: Path) -> list[Path]:
    """The images of a folder in natural order: ``2.png`` comes before ``10.png``.

    Raises:
        SourceError: the folder cannot be read.
    """
    return _images(entries(folder))


def images_of(pattern: str) -> list[Path]:
    """The images that a glob pattern matches, in natural order."""
    folder, rest = _literal_folder(pattern)
    return _images(folder / found for found in glob.iglob(rest, root_dir=folder, recursive=True))


def is_pattern(text: str) -> bool:
    """Whether it contains ``*``, ``?`` or ``[`` outside the names of existing folders."""
    return glob.has_magic(_literal_folder(text)[1])


def names_of(paths: Sequence[Path]) -> list[str | None]:
    """Unique names of files: without suffix, or with it where two files would have the same name.

    All are None if they are not unique, for example in two folders.
    """
    count_of_stem = Counter(path.stem for path in paths)
    names = [path.stem if count_of_stem[path.stem] == 1 else path.name for path in paths]
    return list(names) if len(set(names)) == len(names) else [None] * len(names)


def numbers_of(paths: Sequence[Path], description: str) -> list[int | None]:
    """The files' names as numbers.

    Files whose names are not numbers are ``UNNUMBERED``. All are None if fewer than half are
    numbers, or two are the same.

    Args:
        paths: of all files.
        description: name of the source, for messages.
    """
    found = [int(path.stem) if _is_number(path.stem) else None for path in paths]
    numbers = [number for number in found if number is not None]
    if not numbers:
        return [None] * len(found)
    twice, times = Counter(numbers).most_common(1)[0]
    if times > 1:
        logger.warning(
            "%s: two images have the number %d: all are numbered by their order",
            description,
            twice,
        )
        return [None] * len(found)
    if 2 * len(numbers) < len(found):
        return [None] * len(found)
    return [UNNUMBERED if number is None else number for number in found]


def _literal_folder(pattern: str) -> tuple[Path, str]:
    """Split a pattern into the longest existing folder and the rest."""
    parts = Path(pattern).parts
    count = 0
    while count < len(parts) - 1 and os.path.isdir(Path(*parts[: count + 1])):
        count += 1
    return Path(*parts[:count]), str(Path(*parts[count:]))


def _images(candidates: Iterable[Path]) -> list[Path]:
    """Skip hidden files: macOS writes one, with the same suffix, for each file that it copies."""
    images = (
        path
        for path in candidates
        if path.suffix.lower() in _IN_FOLDERS and not path.name.startswith(".") and path.is_file()
    )
    return sorted(images, key=_natural_key)


def _natural_key(path: Path) -> list[tuple[int, str]]:
    """Split into runs of digits and of other characters, digits compared as numbers."""
    parts = re.split(r"(\d+)", str(path))
    return [(int(part), "") if part.isdecimal() else (0, part) for part in parts]


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdecimal()

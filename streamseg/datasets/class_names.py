"""The class names of a data set: lists in files, and ids by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from streamseg.classes import plain_name
from streamseg.datasets.splits import read_text
from streamseg.errors import DataError


def all_of(class_names: Sequence[str]) -> frozenset[int]:
    """The ids 1..C of all classes."""
    return frozenset(range(1, len(class_names) + 1))


def ids_by_name(class_names: Sequence[str]) -> dict[str, int]:
    """The ids 1..C by ``plain_name``."""
    return {plain_name(name): k for k, name in enumerate(class_names, start=1)}


def read_class_list(path: Path, class_names: Sequence[str]) -> frozenset[int]:
    """The ids of the classes that a text file names, one a line.

    Raises:
        DataError: it cannot be read, is empty or names something other than ``class_names``.
    """
    names = [line.strip() for line in read_text(path).splitlines() if line.strip()]
    if not names:
        raise DataError(f"{path} names no class; delete it if all classes are labelled")
    ids = ids_by_name(class_names)
    for name in names:
        if plain_name(name) not in ids:
            raise DataError(f"{path}: {name!r} is none of the classes {', '.join(class_names)}")
    return frozenset(ids[plain_name(name)] for name in names)

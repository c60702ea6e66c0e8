"""Number the classes of a data set by their names."""

from __future__ import annotations

from collections.abc import Sequence

from streamseg.classes import MOST_CLASSES, distinct, plain_name
from streamseg.errors import DataError


def all_of(class_names: Sequence[str]) -> frozenset[int]:
    """The ids 1..C of all classes."""
    return frozenset(range(1, len(class_names) + 1))


def ids_by_name(class_names: Sequence[str]) -> dict[str, int]:
    """The ids 1..C by ``plain_name``."""
    return {plain_name(name): k for k, name in enumerate(class_names, start=1)}


def number_classes(place: object, names: Sequence[str]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Number the classes that a data set names; those that differ in spelling only are one.

    Args:
        place: what names them, for errors.
        names: in the order of the data set.

    Returns:
        The C different names, and for each of ``names`` its class, 1..C.

    Raises:
        DataError: there are none, or too many, or one is empty.
    """
    class_names = distinct(names)
    if not 1 <= len(class_names) <= MOST_CLASSES:
        raise DataError(f"{place} must have 1 to {MOST_CLASSES} classes, got {len(class_names)}")
    if not all(map(plain_name, class_names)):
        raise DataError(f"{place} has a class without a name")
    ids = ids_by_name(class_names)
    return class_names, tuple(ids[plain_name(name)] for name in names)

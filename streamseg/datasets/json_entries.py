"""Objects of a JSON file, with their fields checked; every error names the file and the entry."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from streamseg.errors import DataError
from streamseg.files.text import read_json

Field = TypeVar("Field")

LONGEST_SIDE = 65_535


@dataclass(frozen=True, eq=False)
class Entry:
    """One object of a file."""

    place: str
    """Where it is, for messages."""
    fields: dict[str, Any]

    def get(self, name: str, kind: type[Field]) -> Field:
        """Get a field; it must exist and have this type.

        Raises:
            DataError: it does not.
        """
        value = self.fields.get(name)
        if not isinstance(value, kind):
            raise DataError(f"{self.place}: {name} must be {kind.__name__}, got {value!r}")
        return value

    def entries(self, name: str) -> Iterator[Entry]:
        """The objects of a list.

        Raises:
            DataError: there is no such list, or something else is in it.
        """
        entries = self.fields.get(name)
        if not isinstance(entries, list):
            raise DataError(f"{self.place} holds no list {name!r}")
        for index, entry in enumerate(entries):
            place = f"{self.place}: {name}[{index}]"
            if not isinstance(entry, dict):
                raise DataError(f"{place} must be an object, got {entry!r}")
            yield Entry(place, entry)

    def shape(self, height: str, width: str) -> tuple[int, int]:
        """Height and width of an image, by the names of the two fields.

        Raises:
            DataError: one is missing, or no image can have this size.
        """
        shape = self.get(height, int), self.get(width, int)
        if not all(1 <= side <= LONGEST_SIDE for side in shape):
            raise DataError(
                f"{self.place}: {height} and {width} must be 1 to {LONGEST_SIDE}, "
                f"got {shape[0]} and {shape[1]}"
            )
        return shape

    def points(self, name: str) -> NDArray[np.float64]:
        """Points [n, 2]: x and y of each.

        Raises:
            DataError: the field is not a list of such pairs, or they reach very far out.
        """
        value = self.get(name, list)
        try:
            points = np.array(value, np.float64).reshape(len(value), 2)
        except (TypeError, ValueError, OverflowError) as error:
            raise DataError(f"{self.place}: {name} must be a list of pairs x, y") from error
        if not np.all(np.abs(points) <= 2 * LONGEST_SIDE):
            raise DataError(f"{self.place}: {name} reach far out of the image")
        return points


def read_object(file: Path, kind: str) -> Entry:
    """Read a JSON file that holds one object.

    Args:
        file: its path.
        kind: what it should be, for the error.

    Raises:
        DataError: the file cannot be read or holds something else.
    """
    document = read_json(file, DataError)
    if not isinstance(document, dict):
        raise DataError(f"{file} is not a {kind}: it must hold an object")
    return Entry(str(file), document)

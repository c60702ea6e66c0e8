"""A JSON list that is written entry by entry and appears when it is complete."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from streamseg.atomic_write import atomic_write
from streamseg.claims import replaced_alone
from streamseg.formats.class_ids import ClassIds
from streamseg.formats.writer import check_folder_of, saving


def write_categories(path: Path, ids: ClassIds) -> None:
    """Name the categories of a list beside it, if they are those of the model.

    Args:
        path: of the list; ``results.json`` has ``results.categories.json`` beside it.
        ids: of the list's categories.

    Raises:
        SinkError: the file cannot be written.
    """
    if not ids.own_names:
        return
    names = [{"id": id_, "name": name} for id_, name in enumerate(ids.own_names, start=1)]
    place = path.with_suffix(".categories.json")
    with saving(place), atomic_write(place) as partial:
        partial.write_text(json.dumps(names, indent=1) + "\n", encoding="utf-8")


class JsonList:
    """Writes ``[entry, entry, ...]``, one entry per line; the file appears at the end.

    Memory does not grow with the list. A kill leaves the file as it was before.
    """

    def __init__(self, path: Path) -> None:
        """Open the file now, so that a wrong path fails before any work is done.

        Raises:
            SinkError: the file cannot be created, or another run is writing it.
        """
        check_folder_of(path)
        self._path = path
        self._stack = ExitStack()
        self._is_empty = True
        self._is_open = True
        with saving(path), ExitStack() as stack:
            stack.enter_context(replaced_alone(path))
            partial = stack.enter_context(atomic_write(path))
            self._file = stack.enter_context(open(partial, "w", encoding="ascii", newline="\n"))
            self._file.write("[")
            self._stack = stack.pop_all()

    def append(self, entry: dict[str, Any]) -> None:
        """Write an entry.

        Raises:
            SinkError: it cannot be written.
            ValueError: the entry holds NaN or infinity, which JSON lacks; nothing is written.
        """
        text = json.dumps(entry, separators=(",", ":"), allow_nan=False)
        with saving(self._path):
            self._file.write(("\n" if self._is_empty else ",\n") + text)
        self._is_empty = False

    def close(self) -> None:
        """End the list and rename the file; closing again is a no-op.

        Raises:
            SinkError: the rest cannot be written; the file is left as it was before.
        """
        if not self._is_open:
            return
        self._is_open = False
        with saving(self._path), self._stack:
            self._file.write("\n]\n")

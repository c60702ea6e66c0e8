"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Write a new version of a file beside the old one, which it replaces at the end.

    A kill at any moment leaves the old or the new file; an error leaves the old one, and nothing
    beside it.

    Args:
        path: of the file; need not exist.

    Yields:
        The path to write to, in the same folder and with the same ending.
    """
    partial = path.with_name(f"{path.stem}.partial{path.suffix}")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)

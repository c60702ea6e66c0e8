"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Write a new version of a file beside the old one, which it replaces at the end.

    A kill at any moment leaves the old or the new file; an error leaves the old one, and nothing
    beside it. Two that write at the same time do not meet: the later one's version stays.

    Args:
        path: of the file; need not exist.

    Yields:
        The path to write to, in the same folder and with the same ending.
    """
    partial = path.with_name(f"{path.stem}.{secrets.token_hex(4)}.partial{path.suffix}")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)

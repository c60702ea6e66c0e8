"""Write a file so that it appears whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Write a new version of a file beside the old one, and replace the old one at the end.

    If the process is killed, the old or the new file is there. After an error the old file is
    there, and the new one is removed. Two writers at the same time do not mix: the version of the
    one that ends last stays.

    Args:
        path: of the file, which may be missing.

    Yields:
        The path to write to, in the same folder and with the same ending.
    """
    partial = path.with_name(f"{path.stem}.{secrets.token_hex(4)}.partial{path.suffix}")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)

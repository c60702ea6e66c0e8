"""One writer at a time at each place, in this process and all others of this machine."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streamseg.errors import SinkError


@contextmanager
def written_alone(path: Path) -> Iterator[None]:
    """Keep other writers away from a file or folder; a file that is missing is created, empty.

    A file that is there keeps its content. Where it is no file, as ``/dev/null``, or where the
    file system knows no locks, nobody is kept away.

    Args:
        path: of a folder, or of a file in a folder that is there.

    Raises:
        SinkError: another writer is at work there, or the file cannot be created.
    """
    file = _locked(path, path)
    try:
        yield
    finally:
        if file is not None:
            os.close(file)


@contextmanager
def replaced_alone(path: Path) -> Iterator[None]:
    """``written_alone`` for a file that is not touched until it is replaced.

    A hidden file beside it stands for it as long, and is removed at the end; one that a killed
    process left there keeps nobody away.

    Raises:
        SinkError: another writer is at work there, or nothing can be written in the folder.
    """
    beside = path.with_name(f".{path.name}.lock")
    file = _locked(beside, path)
    try:
        yield
    finally:
        beside.unlink(missing_ok=True)
        if file is not None:
            os.close(file)


def _locked(held: Path, path: Path) -> int | None:
    """The descriptor that holds the lock; None where there is nothing to lock."""
    while held.is_dir() or held.is_file() or not held.exists():
        kind = os.O_RDONLY if held.is_dir() else os.O_RDWR | os.O_CREAT
        try:
            file = os.open(held, kind, 0o666)
        except OSError as error:
            raise SinkError(f"cannot write {path}: {error.strerror}") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            raise SinkError(
                f"cannot write {path}: another run is writing it; name another place, or wait "
                "until that has ended"
            ) from None
        except OSError:  # this file system knows no locks
            return file
        if held.exists() and os.path.samestat(os.fstat(file), held.stat()):
            return file
        os.close(file)  # the writer before has just removed it
    return None

"""Locks on outputs: one writer at a time, among all processes of this machine."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streamseg.errors import SinkError


@contextmanager
def written_alone(path: Path) -> Iterator[None]:
    """Lock a file or folder against other writers; create the file, empty, if it is missing.

    A file that exists keeps its content. Devices such as ``/dev/null``, and file systems without
    locks, are not locked.

    Args:
        path: of a folder, or of a file in a folder that exists.

    Raises:
        SinkError: another writer has the lock, or the file cannot be created.
    """
    file = _locked(path, path)
    try:
        yield
    finally:
        if file is not None:
            os.close(file)


@contextmanager
def replaced_alone(path: Path) -> Iterator[None]:
    """Like ``written_alone``, for a file that is replaced at the end (``atomic_write``).

    The lock is on a hidden file beside it, which is removed at the end. If a killed process left
    a hidden file, it does not block others.

    Raises:
        SinkError: another writer has the lock, or nothing can be written in the folder.
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
    """Lock ``held``, which stands for ``path``; None where there is nothing to lock."""
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
        except OSError:  # this file system has no locks
            return file
        if held.exists() and os.path.samestat(os.fstat(file), held.stat()):
            return file
        os.close(file)  # the writer before has just removed it
    return None

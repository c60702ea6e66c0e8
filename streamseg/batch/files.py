"""Files and folders of this machine and of object stores, through fsspec."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from streamseg.errors import (
    ConfigError,
    InputError,
    MissingExtraError,
    ModelError,
    SinkError,
    SourceError,
    StreamsegError,
)
from streamseg.files.claims import written_alone
from streamseg.video.credentials import masked
from streamseg.video.local_paths import is_url, local_path

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

# What tells a new version of a file apart, best first, in the words of several file systems.
_VERSIONS = ("ETag", "etag", "md5Hash", "mtime", "last_modified", "LastModified", "updated")
_TEMPORARY = "streamseg-batch-"
_NEW_SECONDS = 60


class Place(NamedTuple):
    """A file or folder in a file system; goes to other processes whole, login included."""

    fs: AbstractFileSystem
    path: str
    is_local: bool
    """Whether it is a path of the machine that uses it."""

    @property
    def shown(self) -> str:
        """An absolute path, or a URL without login."""
        return self.path if self.is_local else masked(self.fs.unstrip_protocol(self.path))

    def at(self, path: str) -> Place:
        """Another path of the same file system."""
        return self._replace(path=path)


def place_of(text: str) -> Place:
    """Find the file system that a path or URL names.

    Raises:
        InputError: it is a URL of another kind, as of a camera.
        ConfigError: the package for such URLs is not installed.
        MissingExtraError: fsspec is not installed.
    """
    try:
        from fsspec.core import url_to_fs
        from fsspec.implementations.local import LocalFileSystem
    except ImportError as error:
        raise MissingExtraError("fsspec", "batch") from error
    if not is_url(text):
        path = os.path.abspath(local_path(text))
        return Place(LocalFileSystem(), path, True)
    try:
        fs, path = url_to_fs(text)
    except ImportError as error:
        raise ConfigError(f"cannot open {masked(text)}: {error}") from error
    except ValueError as error:
        raise InputError(
            f"{masked(text)} is not a recording: give files, folders, patterns, lists, or URLs of "
            "an object store, as s3://"
        ) from error
    return Place(fs, path.rstrip("/"), False)


@contextmanager
def reaching(
    what: str, error_class: type[SourceError] | type[SinkError] | type[ModelError]
) -> Iterator[None]:
    """Turn what a file system raises, which may be anything, into an error of ours."""
    try:
        yield
    except StreamsegError:
        raise
    except Exception as error:
        verb = "write" if error_class is SinkError else "read"
        reason = f"{type(error).__name__}: {error}"
        if isinstance(error, OSError) and error.strerror:
            reason = error.strerror  # the rest is a path, which ``what`` names as users know it
        raise error_class(f"cannot {verb} {what}: {reason}") from error


def version_of(info: dict[str, Any]) -> str:
    """What a file system says of a file's version: its ETag, or the time of the last change."""
    return next((str(info[name]) for name in _VERSIONS if info.get(name)), "")


@contextmanager
def local_copy(place: Place) -> Iterator[Path]:
    """A path to read from: of the file or folder itself, or of a copy that is deleted afterwards.

    Of a folder, the files in it are copied, but not folders below it.

    Raises:
        SourceError: it is missing or cannot be copied.
    """
    if place.is_local:
        yield Path(place.path)
        return
    with temporary_folder() as folder:
        copy = folder / place.path.rpartition("/")[2]
        with reaching(place.shown, SourceError):
            _fetch(place, copy)
        yield copy


def _fetch(place: Place, copy: Path) -> None:
    """Copy a file, or the files in a folder; ``get`` would take ``[`` in a name for a pattern."""
    fs, path = place.fs, place.path
    if fs.isfile(path):
        fs.get_file(path, str(copy))
        return
    below = [file for file in fs.find(path, maxdepth=1) if file.rstrip("/") != path]
    if not below:
        raise SourceError(f"no such file or folder: {place.shown}")
    copy.mkdir()
    fs.get(below, [f"{copy}/{file.rpartition('/')[2]}" for file in below])  # lists are not patterns


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder that is deleted at the end; a killed worker's is deleted by ``sweep_temporary``."""
    with (
        tempfile.TemporaryDirectory(prefix=_TEMPORARY, ignore_cleanup_errors=True) as name,
        written_alone(Path(name)),
    ):
        yield Path(name)


def sweep_temporary() -> None:
    """Delete the temporary folders of workers that were killed on this machine."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_TEMPORARY}*"):
        # a worker locks its folder just after it has made it; another worker may delete this one
        with suppress(FileNotFoundError, SinkError):
            if time.time() - folder.stat().st_mtime < _NEW_SECONDS:
                continue
            with written_alone(folder):  # fails if a worker is using it
                shutil.rmtree(folder, ignore_errors=True)
                if folder.is_file():  # the lock creates it where the folder has just been deleted
                    folder.unlink()


def content_hash(path: Path) -> str:
    """SHA-256 of a file, or of the names and contents of the files in a folder, in hex.

    Hidden files, and folders in the folder, do not count.

    Raises:
        SourceError: a file cannot be read.
    """
    digest = hashlib.sha256()
    with reaching(str(path), SourceError):
        is_folder = path.is_dir()
        for file in sorted(path.iterdir()) if is_folder else [path]:
            if is_folder:
                if file.name.startswith(".") or not file.is_file():
                    continue
                digest.update(os.fsencode(file.name) + b"\0")
            with file.open("rb") as opened:
                while block := opened.read(1 << 20):
                    digest.update(block)
    return digest.hexdigest()

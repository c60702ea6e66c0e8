"""What all writers have in common."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streamseg.closing import Closing
from streamseg.errors import SinkError
from streamseg.results import FrameResult


class ResultWriter(Closing):
    """Writes results one by one to a file or folder; a context manager.

    The output is complete and readable after ``close``, also after an exception or Ctrl-C.
    """

    @abstractmethod
    def write(self, result: FrameResult) -> None:
        """Append one frame.

        Raises:
            SinkError: it cannot be written, for example because the disk is full.
        """

    @abstractmethod
    def close(self) -> None:
        """Complete the output; closing again is a no-op.

        Raises:
            SinkError: the rest cannot be written.
        """


class OneSource:
    """Refuses frames of a second source, for formats that cannot tell sources apart."""

    def __init__(self) -> None:
        """Start without a source; the first result sets it."""
        self._index: int | None = None

    def check(self, result: FrameResult) -> None:
        """Check a result before it is written.

        Raises:
            SinkError: it is of another source than the first.
        """
        if self._index is None:
            self._index = result.source_index
        if result.source_index != self._index:
            raise SinkError(
                f"this format does not tell sources apart: it holds source {self._index}, and got "
                f"a frame of source {result.source_index}; open a writer for each source, or "
                "use jsonl, parquet or mcap"
            )


@contextmanager
def saving(path: str | Path) -> Iterator[None]:
    """Turn OSError into SinkError.

    Raises:
        SinkError: chained to the system's error.
        BrokenPipeError: the reader of a pipe has closed it, which is not an error of the output.
    """
    try:
        yield
    except (BrokenPipeError, SinkError):
        raise
    except OSError as error:
        raise SinkError(f"cannot write {path}: {error.strerror or error}") from error


def readable(text: str) -> str:
    """A file's name as valid Unicode: bytes that are not UTF-8 become �."""
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


def check_parent(path: Path) -> None:
    """Check that the parent of a file or folder exists.

    Raises:
        SinkError: there is no such folder.
    """
    if not path.parent.is_dir():
        raise SinkError(f"cannot write {path}: there is no folder {path.parent}; create it")


def check_folder_of(path: Path) -> None:
    """Check that the folder of a file exists.

    Raises:
        SinkError: there is no such folder, or the path itself is a folder.
    """
    check_parent(path)
    if path.is_dir():
        raise SinkError(f"cannot write {path}: it is a folder; name a file in it")

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
    """Takes results one by one and writes them to one place; a context manager.

    What was written is complete and readable after ``close``, also after an exception or Ctrl-C.
    """

    @abstractmethod
    def write(self, result: FrameResult) -> None:
        """Append one frame.

        Raises:
            SinkError: it cannot be written, as when the disk is full.
        """

    @abstractmethod
    def close(self) -> None:
        """Complete what was written; doing so twice is harmless.

        Raises:
            SinkError: the last of it cannot be written.
        """


class OneSource:
    """Keeps frames of a second source out of a format that has no place to tell them apart."""

    def __init__(self) -> None:
        """Begin; the first result decides."""
        self._index: int | None = None

    def check(self, result: FrameResult) -> None:
        """Look at a result before it is written.

        Raises:
            SinkError: it is of another source than the first.
        """
        if self._index is None:
            self._index = result.source_index
        if result.source_index != self._index:
            raise SinkError(
                f"this format does not tell sources apart: it holds source {self._index}, and got "
                f"a frame of source {result.source_index}; open a writer for each source, or "
                "write jsonl or parquet"
            )


@contextmanager
def saving(path: str | Path) -> Iterator[None]:
    """Turn errors of the system into ours.

    Raises:
        SinkError: chained to the system's error.
        BrokenPipeError: the reader of a pipe has gone, which is no failed output.
    """
    try:
        yield
    except (BrokenPipeError, SinkError):
        raise
    except OSError as error:
        raise SinkError(f"cannot write {path}: {error.strerror}") from error


def readable(text: str) -> str:
    """A file's name as text that can be written everywhere: bytes that are no UTF-8 become �."""
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


def check_folder_of(path: Path) -> None:
    """Refuse a file that is to lie in a folder which does not exist.

    Raises:
        SinkError: there is no such folder, or a folder stands where the file is to be.
    """
    if not path.parent.is_dir():
        raise SinkError(f"cannot write {path}: there is no folder {path.parent}; create it")
    if path.is_dir():
        raise SinkError(f"cannot write {path}: it is a folder; name a file in it")

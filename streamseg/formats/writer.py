"""What all writers have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streamseg.closing import Completing
from streamseg.errors import SinkError
from streamseg.results import FrameResult


class ResultWriter(Completing):
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


def check_folder_of(path: Path) -> None:
    """Refuse a file that is to lie in a folder which does not exist.

    Raises:
        SinkError: there is no such folder, or a folder stands where the file is to be.
    """
    if not path.parent.is_dir():
        raise SinkError(f"cannot write {path}: there is no folder {path.parent}; create it")
    if path.is_dir():
        raise SinkError(f"cannot write {path}: it is a folder; name a file in it")

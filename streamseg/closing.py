"""``with`` for what has to be closed."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from types import TracebackType
from typing import TypeVar

from streamseg.errors import SinkError

Self = TypeVar("Self", bound="Closing")
logger = logging.getLogger(__name__)


class Closing(ABC):
    """A context manager that is closed on the way out, whatever happened."""

    @abstractmethod
    def close(self) -> None:
        """Give back what is held; doing so twice is harmless."""

    def __enter__(self: Self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()


class Completing(Closing):
    """An output that is completed on the way out."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Complete it; an error in doing so does not hide the one that led here."""
        try:
            self.close()
        except SinkError as failure:
            if error is None:
                raise
            logger.error("%s", failure)

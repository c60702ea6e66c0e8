"""Base class of context managers that are closed on exit."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from types import TracebackType
from typing import TypeVar

from streamseg.errors import StreamsegError

Self = TypeVar("Self", bound="Closing")
logger = logging.getLogger(__name__)


class Closing(ABC):
    """A context manager that is closed on exit, also after an error."""

    @abstractmethod
    def close(self) -> None:
        """Free what it holds, or complete what it wrote; closing again is a no-op."""

    def __enter__(self: Self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close. After an earlier error, an error of closing is only logged, if it says more."""
        try:
            self.close()
        except StreamsegError as failure:
            if error is None:
                raise
            if str(failure) != str(error):
                logger.error("%s", failure)

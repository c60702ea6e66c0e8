"""``with`` for objects that must be closed."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from types import TracebackType
from typing import TypeVar

from streamseg.errors import StreamsegError

Self = TypeVar("Self", bound="Closing")
logger = logging.getLogger(__name__)


class Closing(ABC):
    """A context manager that is closed at the end of ``with``, also after an error."""

    @abstractmethod
    def close(self) -> None:
        """Release what is held, or complete what was written; closing again is a no-op."""

    def __enter__(self: Self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close. After an error in the ``with`` block, an error of closing is only logged."""
        try:
            self.close()
        except StreamsegError as failure:
            if error is None:
                raise
            logger.error("%s", failure)

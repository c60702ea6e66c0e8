"""Every error that streamseg raises on purpose.

Each is also a builtin error, so that ``except OSError`` works too::

    StreamsegError
    ├── InputError(ValueError)           an array or argument of wrong shape, dtype or range
    ├── ConfigError(ValueError)          a setting is out of range, unknown, or contradicts another
    ├── SourceError(OSError)             a video, image or camera that cannot be opened or read
    ├── SinkError(OSError)               an output that cannot be written
    ├── ModelError(ValueError)           a model file that is missing, broken or of another kind
    ├── DataError(ValueError)            a data set with missing or broken files
    ├── TrainingError(RuntimeError)      training cannot go on (non-finite loss, out of memory)
    ├── DeviceError(RuntimeError)        a CUDA device that is missing, closed or refuses a call
    └── MissingExtraError(ImportError)   an optional package is not installed
"""

from __future__ import annotations


class StreamsegError(Exception):
    """Base of all errors raised by streamseg itself."""


class InputError(StreamsegError, ValueError):
    """An array or argument has the wrong shape, dtype or range."""


class ConfigError(StreamsegError, ValueError):
    """A setting is out of range, unknown, or contradicts another."""


class SourceError(StreamsegError, OSError):
    """A video, image or camera cannot be opened or read."""


class SinkError(StreamsegError, OSError):
    """An output cannot be written."""


class ModelError(StreamsegError, ValueError):
    """A model file is missing, broken or of another kind."""


class DataError(StreamsegError, ValueError):
    """A training or evaluation data set has missing or broken files."""


class TrainingError(StreamsegError, RuntimeError):
    """Training cannot go on: non-finite loss, no memory, a broken checkpoint."""


class DeviceError(StreamsegError, RuntimeError):
    """A CUDA device is missing, closed or not current, or its driver refuses a call."""


class MissingExtraError(StreamsegError, ImportError):
    """An optional package is not installed.

    Args:
        package: what is missing, by its name on PyPI.
        extra: the extra of streamseg that installs it.
    """

    def __init__(self, package: str, extra: str) -> None:
        """Say what is missing and how to install it, in one line."""
        super().__init__(f"{package} is not installed: pip install 'streamseg[{extra}]'")
        self._given = package, extra

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str]]:
        """Pickle the arguments, so that the error can be sent to another process."""
        return type(self), self._given

"""The TensorRT module: import, names of its classes, and its logger.

The module is an argument wherever it is used: ``tensorrt`` in a vehicle, ``tensorrt_rtx`` in tests
without a GPU. For mypy its objects are Any. The names below document them for readers and for
``tests/export/test_tensorrt_api.py``, which looks up every attribute used in TensorRT 10.3 to 11.4.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from typing import Any, Final, TypeAlias, TypeVar

from streamseg.errors import DeviceError, MissingExtraError

TensorRT: TypeAlias = Any
"""The module."""
Builder: TypeAlias = Any
IBuilderConfig: TypeAlias = Any
ICudaEngine: TypeAlias = Any
ILayer: TypeAlias = Any
ILogger: TypeAlias = Any
INetworkDefinition: TypeAlias = Any
IProgressMonitor: TypeAlias = Any
ITensor: TypeAlias = Any
OnnxParser: TypeAlias = Any
ParserError: TypeAlias = Any
Runtime: TypeAlias = Any
Severity: TypeAlias = Any
"""``ILogger.Severity``."""

Made = TypeVar("Made")
logger = logging.getLogger(__name__)

MOST_LINES: Final = 20
SHOWN_LINES: Final = 3
_PLACE = re.compile(r"\s*\bIn [\w:~]+ at \S+?:\d+")
_CALL = re.compile(r"^(?:\[[^\]]*\] )?(?:[\w:]+: )?Error Code \d+: ")
_REPEATS_THE_NODE = "Invalid Node - "


class LoggedErrors:
    """The first errors that TensorRT logged, which are nearest to the cause."""

    def __init__(self) -> None:
        """Start with none."""
        self.lines: list[str] = []

    def __str__(self) -> str:
        """Join the first lines."""
        lines = dict.fromkeys(map(readable, self.lines))
        return "; ".join(list(lines)[:SHOWN_LINES]) or "TensorRT gave no reason"


_listening: dict[int, LoggedErrors] = {}


@contextmanager
def logged_errors() -> Iterator[LoggedErrors]:
    """Collect the errors that TensorRT logs inside the ``with`` block, from any thread."""
    errors = LoggedErrors()
    _listening[id(errors)] = errors
    try:
        yield errors
    finally:
        del _listening[id(errors)]


@cache
def tensorrt_logger(trt: TensorRT) -> ILogger:
    """Return the logger for every object of TensorRT.

    There is only one, since TensorRT uses the first logger of a process and ignores others. Errors
    go to ``logged_errors``, and all messages to Python's logging at level DEBUG.
    """

    class Logger(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()

        def log(self, severity: Severity, msg: str) -> None:
            logger.debug("%s: %s", severity.name, msg)
            if severity.name in ("ERROR", "INTERNAL_ERROR"):
                for errors in list(_listening.values()):
                    if len(errors.lines) < MOST_LINES:
                        errors.lines.append(msg)

    return Logger()


def import_tensorrt() -> TensorRT:
    """Import TensorRT.

    Raises:
        DeviceError: TensorRT is installed, but not its libraries.
        MissingExtraError: TensorRT is not installed.
    """
    try:
        return import_module("tensorrt")
    except ModuleNotFoundError as error:
        raise MissingExtraError("tensorrt", "tensorrt") from error
    except ImportError as error:
        raise DeviceError(f"TensorRT does not load: {error}") from error


def start(trt: TensorRT, make: Callable[[ILogger], Made]) -> Made:
    """Make a ``Builder`` or a ``Runtime``, the objects with which TensorRT starts CUDA.

    Raises:
        DeviceError: there is no GPU, or its driver is too old.
    """
    with logged_errors() as errors:
        try:
            return make(tensorrt_logger(trt))
        except TypeError:  # raised by the bindings if a constructor returned null
            raise DeviceError(f"TensorRT {trt.__version__} does not start: {errors}") from None


def readable(message: str) -> str:
    """Shorten a message of TensorRT to one line, without places in its source.

    >>> readable("IBuilder::build: Error Code 4: API Usage Error (no inputs. In check at a.cpp:7)")
    'API Usage Error (no inputs.)'
    """
    lines = [_CALL.sub("", _PLACE.sub("", line.strip())) for line in message.splitlines()]
    kept = " ".join(line for line in lines if not line.startswith(_REPEATS_THE_NODE))
    return re.sub(r"\( ?\(", "(", kept).replace("))", ")").strip()

"""streamseg: streaming video instance segmentation.

>>> import streamseg
>>> for result in streamseg.stream("dashcam.mp4"):  # doctest: +SKIP
...     print(result.pts_seconds, [(i.name, i.score, i.box) for i in result.instances])
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

from streamseg.errors import (
    ConfigError,
    DataError,
    DeviceError,
    InputError,
    MissingExtraError,
    ModelError,
    SinkError,
    SourceError,
    StreamsegError,
    TrainingError,
)
from streamseg.frame import Frame, Recorded
from streamseg.loading import load, stream
from streamseg.results import FrameResult, Instance, Proposals
from streamseg.segmenter import Segmenter
from streamseg.streaming.sources import StreamOptions
from streamseg.streaming.stream import Stream
from streamseg.video.events import StreamEvent
from streamseg.video.options import SourceOptions

if TYPE_CHECKING:
    from streamseg import batch
    from streamseg.drawing.overlay import draw
    from streamseg.formats.opening import open_writer
    from streamseg.formats.rerun import log_to_rerun
    from streamseg.formats.supervision import to_supervision

__all__ = [
    "ConfigError",
    "DataError",
    "DeviceError",
    "Frame",
    "FrameResult",
    "InputError",
    "Instance",
    "MissingExtraError",
    "ModelError",
    "Proposals",
    "Recorded",
    "Segmenter",
    "SinkError",
    "SourceError",
    "SourceOptions",
    "Stream",
    "StreamEvent",
    "StreamOptions",
    "StreamsegError",
    "TrainingError",
    "batch",
    "draw",
    "load",
    "log_to_rerun",
    "open_writer",
    "stream",
    "to_supervision",
]
__version__ = version("streamseg")

_LAZY = {
    "draw": "drawing.overlay",
    "log_to_rerun": "formats.rerun",
    "open_writer": "formats.opening",
    "to_supervision": "formats.supervision",
}
"""Names that are imported on first use, each with its module."""


def __getattr__(name: str) -> object:
    """Import what not every program needs."""
    if name == "batch":
        return import_module("streamseg.batch")
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

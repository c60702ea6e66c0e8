"""streamseg: streaming video instance segmentation.

>>> import streamseg
>>> for frame in streamseg.stream("dashcam.mp4"):  # doctest: +SKIP
...     print(frame.pts_seconds, [(i.name, i.score, i.box) for i in frame.instances])
"""

from importlib.metadata import version

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
from streamseg.loading import load, stream
from streamseg.results import Frame, FrameResult, Instance, Proposals
from streamseg.segmenter import Segmenter
from streamseg.streaming.stream import Stream
from streamseg.video.events import StreamEvent
from streamseg.video.options import SourceOptions

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
    "Segmenter",
    "SinkError",
    "SourceError",
    "SourceOptions",
    "Stream",
    "StreamEvent",
    "StreamsegError",
    "TrainingError",
    "load",
    "stream",
]
__version__ = version("streamseg")

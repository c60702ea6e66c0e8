"""A slow network, and sources for it."""

from __future__ import annotations

import time
from collections.abc import Generator
from fractions import Fraction

from colour_runtime import ColourRuntime

from streamseg import SourceOptions
from streamseg.frame import Frame, Image
from streamseg.results import NetworkOutput
from streamseg.segmenter import Segmenter
from streamseg.video.base import Source
from streamseg.video.source import open_source

QUICK = SourceOptions(timeout_seconds=2, first_delay_seconds=0.05, longest_delay_seconds=0.2)
REALTIME = SourceOptions(realtime=True)


class SlowRuntime(ColourRuntime):
    """Sleeps for each image."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def run(self, image: Image) -> NetworkOutput:
        time.sleep(self.seconds)
        return super().run(image)


def slow_segmenter(seconds: float) -> Segmenter:
    return Segmenter(SlowRuntime(seconds), size=(160, 96))


def pattern(frames: int, fps: int = 25) -> str:
    return f"test-pattern:160x96@{fps}?frames={frames}"


def frames_of(source: str) -> list[Frame]:
    with open_source(source) as opened:
        return list(opened)


def source_of(frames: Generator[Frame, None, None]) -> Source:
    return Source(
        frames,
        "test frames",
        time_base=Fraction(1, 25),
        average_rate=None,
        frame_count=None,
        duration_seconds=None,
    )

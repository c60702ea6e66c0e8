"""A network for tests that needs no training: colour is identity.

A pixel's embedding is its colour, smoothed to the feature map; bright or saturated pixels are
persons, dark ones background. Everything after the network then has a known right answer.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamseg.config import ModelConfig
from streamseg.frame import Image
from streamseg.grouping.cpu import GroupingConfig, find_segments
from streamseg.results import NetworkOutput, Segments
from streamseg.runtime.base import Pending


class ColourRuntime:
    """Follows ``streamseg.runtime.base.Runtime``."""

    size = None

    def __init__(self) -> None:
        self.config = ModelConfig(embedding_dim=3, class_names=("car", "person"))
        self.description = "colours"

    def run(self, image: Image) -> NetworkOutput:
        """RGB uint8 [H, W, 3] → maps of H/4 by W/4, classes of H/8 by W/8."""
        cells = mean_colours(image, 4).astype(np.float32)
        coarse = mean_colours(cells, 2)
        saturation = cells.max(2) - cells.min(2)
        foreground = np.where(saturation < 64, -1, 5).astype(np.float32)[None].repeat(4, 0)
        foreground[1] += 0.5  # the second τ has the highest score
        # more red than blue is a car, the others persons
        is_car = coarse[..., 0] > coarse[..., 2]
        return NetworkOutput(
            embeddings=np.ascontiguousarray(np.moveaxis(cells / 16, 2, 0)),
            foreground=foreground,
            classes=np.stack((is_car, ~is_car)).astype(np.float32),
        )

    def close(self) -> None:
        """There is nothing to free."""


def mean_colours(image: NDArray[Any], side: int) -> NDArray[Any]:
    """Mean colours of squares of ``side`` pixels: [H, W, 3] → [H/side, W/side, 3]."""
    height, width = image.shape[0] // side, image.shape[1] // side
    colours: NDArray[Any] = image.reshape(height, side, width, side, 3).mean((1, 3))
    return colours


class ColourDevice(ColourRuntime):
    """Follows ``GroupingRuntime``: has images in flight, and groups itself."""

    def submit(self, image: Image, grouping: GroupingConfig, *, height: int, width: int) -> Pending:
        """Compute nothing before ``fetch``."""
        runtime = self

        class Submitted:
            def fetch(self) -> tuple[Segments, float, float]:
                output, taus = runtime.run(image), runtime.config.taus
                return find_segments(output, taus, grouping, height=height, width=width), 0, 0

        return Submitted()


class StoppableRuntime(ColourRuntime):
    """Counts its runs; Ctrl-C comes in run ``stop_at``."""

    def __init__(self) -> None:
        super().__init__()
        self.runs = 0
        self.stop_at = -1

    def run(self, image: Image) -> NetworkOutput:
        self.runs += 1
        if self.runs == self.stop_at:
            raise KeyboardInterrupt
        return super().run(image)

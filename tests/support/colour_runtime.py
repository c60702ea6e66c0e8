"""A network for tests that needs no training: colour is identity.

A pixel's embedding is its colour, smoothed to the feature map; bright or saturated pixels are
persons, dark ones background. Everything after the network then has a known right answer.
"""

from __future__ import annotations

import numpy as np

from streamseg.config import ModelConfig
from streamseg.results import Image, NetworkOutput


class ColourRuntime:
    """Follows ``streamseg.runtime.base.Runtime``."""

    size = None

    def __init__(self) -> None:
        self.config = ModelConfig(embedding_dim=3, class_names=("car", "person"))
        self.description = "colours"

    def run(self, image: Image) -> NetworkOutput:
        """RGB uint8 [H, W, 3] → embeddings [3, H/4, W/4], logits [4, 3, H/4, W/4]."""
        height, width = image.shape[0] // 4, image.shape[1] // 4
        cells = image.reshape(height, 4, width, 4, 3).mean((1, 3)).astype(np.float32)
        saturation = cells.max(2) - cells.min(2)
        logits = np.zeros((4, 3, height, width), np.float32)
        logits[:, 0] = 6 * (saturation < 64) - 3
        # more red than blue is a car, the others persons; the second τ is the surest
        logits[:, 1] = np.where(cells[..., 0] > cells[..., 2], 2, -8)
        logits[:, 2] = np.where(cells[..., 0] > cells[..., 2], -8, 2)
        logits[1, 1:] *= 1.5
        embeddings = np.moveaxis(cells / 16, 2, 0)
        return NetworkOutput(embeddings=np.ascontiguousarray(embeddings), logits=logits)


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

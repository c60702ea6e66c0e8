"""What every way of running a network offers."""

from __future__ import annotations

from typing import Protocol

from streamseg.config import ModelConfig
from streamseg.results import Image, NetworkOutput


class Runtime(Protocol):
    """A loaded network."""

    config: ModelConfig
    description: str
    """What runs where, for people: ``ONNX Runtime 1.20 on 2 CPU threads``."""

    def run(self, image: Image) -> NetworkOutput:
        """Run the network on one picture.

        Args:
            image: RGB uint8 [H, W, 3], C-contiguous, H and W multiples of 32.

        Returns:
            Embeddings [D, H/4, W/4] and logits [T, C+1, H/4, W/4], float32.
        """
        ...

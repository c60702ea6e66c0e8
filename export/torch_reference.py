"""The network in torch: what every export is held against."""

from __future__ import annotations

from copy import deepcopy

import torch

from streamseg.model.network import Network
from streamseg.results import Image, NetworkOutput


class TorchReference:
    """A network in torch at float32 on the CPU: a ``Runtime`` that needs no file."""

    size = None

    def __init__(self, network: Network) -> None:
        """Take a copy of the network."""
        self.config = network.config
        self.description = f"torch {torch.__version__}, CPU"
        self._network = deepcopy(network).eval()

    def run(self, image: Image) -> NetworkOutput:
        """Run the network on one picture, RGB uint8 [H, W, 3]."""
        pixels = torch.tensor(image).permute(2, 0, 1)[None].float()
        with torch.inference_mode():
            embeddings, logits = self._network(pixels)
        return NetworkOutput(embeddings=embeddings[0].numpy(), logits=logits[0].numpy())

"""torch on the CPU, with a network in memory: for training, and to compare exports with."""

from __future__ import annotations

from copy import deepcopy

import torch

from streamseg.frame import Image
from streamseg.model.network import Network
from streamseg.results import NetworkOutput


class TorchRuntime:
    """A ``Runtime`` that needs no file."""

    size = None

    def __init__(self, network: Network) -> None:
        """Use a network in evaluation mode, without a copy."""
        self.config = network.output_config
        self.description = f"torch {torch.__version__}, CPU"
        self._network = network

    @classmethod
    def copy_of(cls, network: Network) -> TorchRuntime:
        """Use a copy of a network, in evaluation mode."""
        return cls(deepcopy(network).eval())

    def run(self, image: Image) -> NetworkOutput:
        """Run the network on one image, RGB uint8 [H, W, 3]."""
        pixels = torch.tensor(image).permute(2, 0, 1)[None].float()
        with torch.inference_mode():
            outputs = self._network.output(pixels)
        return NetworkOutput(*(output[0].contiguous().numpy() for output in outputs))

    def close(self) -> None:
        """No-op: nothing is held on a device."""

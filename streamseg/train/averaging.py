"""A moving average of the weights, which scores better than the weights of any one step."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class WeightAverage:
    """Exponential moving average of all floating tensors of a network.

    Attributes:
        tensors: by name as in the network's state dict; other tensors (counters) are copies.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        """Start from the network's current weights."""
        self.decay = decay
        self.tensors = {name: value.clone() for name, value in network.state_dict().items()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Copy the tensors of an interrupted run."""
        for name, tensor in self.tensors.items():
            tensor.copy_(tensors[name])

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Update after a step; the first steps use a smaller decay than ``decay``."""
        share = 1 - min(self.decay, (step + 1) / (step + 10))
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                self.tensors[name].lerp_(value, share)
            else:
                self.tensors[name].copy_(value)

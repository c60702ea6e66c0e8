"""What exports are tested with: images, a network with sound statistics, caching of exports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from small_model import SMALL
from torch import nn

from streamseg.frame import Image
from streamseg.model.network import Network


@dataclass(frozen=True)
class Exported:
    """A file, not to be changed, and what ``export_onnx`` returned."""

    path: Path
    difference: float


Export: TypeAlias = Callable[..., Exported]
"""``export(precision="fp16", size=SIZE)``: with the options of ``export_onnx``."""

SIZE = (96, 64)
"""Width and height of ``blobs``, and of files for one size."""
KINDS: list[dict[str, Any]] = [
    {},
    {"precision": "fp32", "size": SIZE},
    {"precision": "fp16"},
    {"precision": "fp16", "size": SIZE, "channels_last": True},
]
"""Options of every kind of export."""


def blobs(count: int) -> list[Image]:
    """Images with structure at many scales: noise, enlarged."""
    rng = np.random.default_rng(0)
    return [
        np.kron(rng.integers(0, 256, (8, 12, 3)), np.ones((8, 8, 1))).astype(np.uint8)
        for _ in range(count)
    ]


def settled_network() -> Network:
    """Random weights but real running statistics, in training mode."""
    torch.manual_seed(1)
    network = Network(SMALL)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the mean over all batches
    pixels = torch.from_numpy(np.stack(blobs(8))).permute(0, 3, 1, 2).float()
    with torch.no_grad():
        for _ in range(3):
            network(pixels)
    return network

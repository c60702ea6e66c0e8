"""A cheaper stem for exported files: it works at half the size of the image, where maps are large.

ONNX Runtime and OpenVINO compute convolutions in blocks of 8 or 16 channels. A map whose channels
do not fill its blocks is copied before and after. PP-PicoDet's stem has 24 channels.
"""

from __future__ import annotations

from typing import Final, cast

from torch import nn
from torch.nn import functional

from streamseg.model.esnet import Stage
from streamseg.model.network import Network
from streamseg.model.picodet import PicoDet

BLOCK: Final = 16


def simplify_stem(network: Network) -> None:
    """Change the stem of PP-PicoDet in place so that it costs less; outputs stay equal.

    It is padded to a multiple of ``BLOCK`` channels. Its weights are divided by the standard
    deviation, instead of the pixels. In ONNX Runtime on a CPU with AVX-512 the padding saves 3.5 %
    of the network's time, and the division 2 %. Other trunks are not changed.

    Args:
        network: its batch norms are folded.
    """
    if not isinstance(network.trunk, PicoDet):
        return
    stem = cast(nn.Conv2d, network.trunk.backbone.stem[0])
    first = cast(Stage, network.trunk.backbone.stages[0]).down
    lateral = cast(nn.Sequential, network.neck.fine_lateral)
    assert network.std is not None
    stem.weight.div_(network.std)
    network.std = None
    channels = -(-stem.out_channels // BLOCK) * BLOCK
    _pad(stem, stem.in_channels, channels)
    _pad(cast(nn.Conv2d, first.left_depthwise[0]), 1, channels)
    for unit in (first.left_pointwise, first.pointwise, lateral):
        conv = cast(nn.Conv2d, unit[0])
        _pad(conv, channels, conv.out_channels)


def _pad(conv: nn.Conv2d, inputs: int, outputs: int) -> None:
    """Pad weights [outputs, inputs, h, w] and bias with 0, in place."""
    assert conv.bias is not None
    missing = outputs - conv.weight.shape[0]
    weight = functional.pad(conv.weight, (0, 0, 0, 0, 0, inputs - conv.weight.shape[1], 0, missing))
    conv.weight = nn.Parameter(weight, requires_grad=False)
    conv.bias = nn.Parameter(functional.pad(conv.bias, (0, missing)), requires_grad=False)
    if conv.groups > 1:
        conv.groups = outputs
    conv.in_channels, conv.out_channels = inputs * conv.groups, outputs

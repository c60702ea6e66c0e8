"""PP-PicoDet (Yu et al. 2021, arXiv 2111.00902): a light COCO detector, used whole as trunk.

The features of its pyramid (CSP-PAN) and of the towers of its head already separate objects. Its
detections are kept as well: a score for each of COCO's 80 classes and a box, at every cell of the
strides 8, 16, 32 and 64.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from streamseg.classes import COCO_CLASSES
from streamseg.errors import ModelError
from streamseg.model.esnet import ConvUnit, ESNet
from streamseg.model.trunk import DETECTION_STRIDES, Detection, Trunk, TrunkOutput

BINS = 8
"""A side's distance is the expectation over 0..7 strides (Li et al. 2020, arXiv 2006.04388)."""


@dataclass(frozen=True)
class Widths:
    """Hyperparameters of one size of PP-PicoDet."""

    scale: float
    ratios: tuple[float, ...]
    pyramid: int
    tower_layers: int


SIZES = {
    "picodet-s": Widths(
        0.75, (0.875, 0.5, 0.5, 0.5, 0.625, 0.5, 0.625, *(0.5,) * 6), pyramid=96, tower_layers=2
    ),
    "picodet-m": Widths(
        1.0,
        (0.875, 0.5, 1.0, 0.625, 0.5, 0.75, 0.625, 0.625, 0.5, 0.625, 1.0, 0.625, 0.75),
        pyramid=128,
        tower_layers=4,
    ),
    "picodet-l": Widths(
        1.25,
        (0.875, 0.5, 1.0, 0.625, 0.5, 0.75, 0.625, 0.625, 0.5, 0.625, 1.0, 0.625, 0.75),
        pyramid=160,
        tower_layers=4,
    ),
}


class CspLayer(nn.Module):
    """Cross-stage partial layer: one half of the channels passes a depthwise bottleneck."""

    def __init__(self, channels: int) -> None:
        """Take 2 × ``channels``, give ``channels``."""
        super().__init__()
        half = channels // 2
        self.short = ConvUnit(2 * channels, half)
        self.main = nn.Sequential(
            ConvUnit(2 * channels, half), ConvUnit(half, half), *separable(half, half)
        )
        self.merge = ConvUnit(channels, channels)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        """Two maps of the same size → one."""
        features = torch.cat((coarse, fine), 1)
        merged: Tensor = self.merge(torch.cat((self.main(features), self.short(features)), 1))
        return merged


def separable(inputs: int, outputs: int, *, stride: int = 1) -> nn.Sequential:
    """Depthwise 5×5, then pointwise."""
    return nn.Sequential(
        ConvUnit(inputs, inputs, 5, stride=stride, depthwise=True), ConvUnit(inputs, outputs)
    )


class CspPan(nn.Module):
    """Top-down and bottom-up pyramid, with one level more than the backbone has."""

    def __init__(self, inputs: list[int], channels: int) -> None:
        """``inputs`` are the channels at strides 8, 16 and 32."""
        super().__init__()
        self.lateral = nn.ModuleList(ConvUnit(width, channels) for width in inputs)
        self.down = nn.ModuleList(CspLayer(channels) for _ in inputs[1:])
        self.up = nn.ModuleList(
            nn.ModuleList((separable(channels, channels, stride=2), CspLayer(channels)))
            for _ in inputs[1:]
        )
        self.top = nn.ModuleList(separable(channels, channels, stride=2) for _ in range(2))

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Maps at strides 8, 16, 32 → maps at strides 8, 16, 32, 64."""
        laterals = [unit(feature) for unit, feature in zip(self.lateral, features, strict=True)]
        merged = laterals[-1:]
        for layer, lateral in zip(self.down, laterals[-2::-1], strict=True):
            merged.append(layer(nn.functional.interpolate(merged[-1], scale_factor=2.0), lateral))
        merged.reverse()
        levels = merged[:1]
        for step, coarse in zip(self.up, merged[1:], strict=True):
            shrink, layer = cast(nn.ModuleList, step)
            levels.append(layer(shrink(levels[-1]), coarse))
        first, second = self.top
        return [*levels, first(laterals[-1]) + second(levels[-1])]


class Tower(nn.Module):
    """The head of one level: layers shared by classes and boxes, then both at once."""

    def __init__(self, channels: int, layers: int) -> None:
        """Build ``layers`` separable layers."""
        super().__init__()
        self.layers = nn.Sequential(*(separable(channels, channels) for _ in range(layers)))
        self.output = nn.Conv2d(channels, len(COCO_CLASSES) + 4 * BINS, 1)

    def forward(self, features: Tensor, stride: int) -> tuple[Tensor, Detection]:
        """[B, C, h, w] → the tower's features [B, C, h, w], and what it detects."""
        tower = self.layers(features)
        classes, bins = self.output(tower).split((len(COCO_CLASSES), 4 * BINS), 1)
        # a softmax over any axis but the last is slow in ONNX Runtime; in float32 this is safe
        weights = bins.float().clamp(-30, 30).exp().unflatten(1, (4, BINS))
        steps = torch.arange(BINS, dtype=weights.dtype, device=bins.device).view(1, 1, BINS, 1, 1)
        return tower, Detection(classes, (weights * steps).sum(2) / weights.sum(2) * stride)


class PicoDet(Trunk):
    """The detector as trunk: ``picodet-s``, ``-m`` or ``-l``.

    Its features are the stem at stride 4, and pyramid and tower, concatenated, at strides 8 to 32.
    """

    detects = True

    def __init__(self, name: str) -> None:
        """Build with random weights; ``load_published`` loads trained ones."""
        super().__init__()
        widths = SIZES[name]
        self.backbone = ESNet(widths.scale, widths.ratios)
        stem, *stages = self.backbone.channels
        self.pyramid = CspPan(stages, widths.pyramid)
        self.towers = nn.ModuleList(
            Tower(widths.pyramid, widths.tower_layers) for _ in DETECTION_STRIDES
        )
        self.channels = [stem, *(2 * widths.pyramid,) * 3]

    def forward(self, pixels: Tensor) -> TrunkOutput:
        """Normalised RGB [B, 3, H, W], H and W multiples of 32 → features and detections."""
        stem, *stages = self.backbone(pixels)
        features, detections = [stem], []
        for level, tower, stride in zip(
            self.pyramid(stages), self.towers, DETECTION_STRIDES, strict=True
        ):
            tower_features, detection = tower(level, stride)
            detections.append(detection)
            features.append(torch.cat((level, tower_features), 1))
        return TrunkOutput(features[:4], detections)

    def early(self) -> Iterator[nn.Parameter]:
        """The stem and the first block at stride 8."""
        yield from self.backbone.stem.parameters()
        yield from cast(nn.Sequential, self.backbone.stages[0])[0].parameters()


def load_published(trunk: nn.Module, path: Path) -> None:
    """Load the weights of a published detector into a trunk.

    Args:
        trunk: a ``PicoDet`` of the same size.
        path: NumPy archive with ``NAME.weight`` and ``NAME.bias``, float32, of every convolution in
            the order of the published graph, batch norms folded.

    Raises:
        ModelError: missing, no such archive, or of another network.
    """
    if not isinstance(trunk, PicoDet):
        raise ModelError(f"{path} is for the trunks {', '.join(SIZES)} only")
    try:
        with np.load(path) as archive:
            arrays = [(key, archive[key]) for key in archive.files]
    except FileNotFoundError as error:
        raise ModelError(f"{path} does not exist") from error
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} is no NumPy archive: {error}") from error
    parameters = list(trunk.named_parameters())
    if len(arrays) != len(parameters):
        raise ModelError(
            f"{path} holds {len(arrays)} tensors, this trunk has {len(parameters)}: "
            f"it is of another network"
        )
    with torch.no_grad():
        for (key, array), (name, parameter) in zip(arrays, parameters, strict=True):
            if array.shape != tuple(parameter.shape):
                raise ModelError(
                    f"{path}: {key} has shape {array.shape}, {name} needs {tuple(parameter.shape)}"
                )
            parameter.copy_(torch.from_numpy(array))

"""PP-PicoDet (Yu et al. 2021, arXiv 2111.00902): a light COCO detector, used whole as trunk.

The features of its pyramid (CSP-PAN) and of the towers of its head already separate objects. Its
detections are kept as well: a score for each of COCO's 80 classes and a box, at every cell of the
strides 8, 16, 32 and 64.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from streamseg.classes import COCO_CLASSES
from streamseg.model.esnet import ConvUnit, ESNet, Stage
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

    def __init__(self, channels: int, *, enlarge: bool) -> None:
        """Take two maps of ``channels``; ``enlarge`` doubles the size of the first."""
        super().__init__()
        self.enlarge = enlarge
        half = channels // 2
        self.short = ConvUnit(2 * channels, half)
        self.main = nn.Sequential(
            ConvUnit(2 * channels, half), ConvUnit(half, half), *separable(half, half)
        )
        self.merge = ConvUnit(channels, channels)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Two maps → one of the second's size."""
        entry = cast(ConvUnit, self.main[0])
        if self.enlarge:
            main, short = enlarged(entry, first, second), enlarged(self.short, first, second)
        else:
            features = torch.cat((first, second), 1)
            main, short = entry(features), self.short(features)
        merged: Tensor = self.merge(torch.cat((self.main[1:](main), short), 1))
        return merged


def enlarged(unit: ConvUnit, coarse: Tensor, fine: Tensor) -> Tensor:
    """Apply a 1×1 unit to ``coarse``, enlarged to twice its size, and ``fine``, concatenated.

    The coarse map is convolved before it is enlarged: the same sums at a quarter of the pixels.
    """
    convolution, activation = cast(nn.Conv2d, unit[0]), unit[1]
    count = coarse.shape[1]
    of_coarse = nn.functional.conv2d(coarse, convolution.weight[:, :count])
    of_fine = nn.functional.conv2d(fine, convolution.weight[:, count:], convolution.bias)
    activated: Tensor = activation(of_fine + nn.functional.interpolate(of_coarse, scale_factor=2.0))
    return activated


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
        self.down = nn.ModuleList(CspLayer(channels, enlarge=True) for _ in inputs[1:])
        self.up = nn.ModuleList(
            nn.ModuleList(
                (separable(channels, channels, stride=2), CspLayer(channels, enlarge=False))
            )
            for _ in inputs[1:]
        )
        self.top = nn.ModuleList(separable(channels, channels, stride=2) for _ in range(2))

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Maps at strides 8, 16, 32 → maps at strides 8, 16, 32, 64."""
        laterals = [unit(feature) for unit, feature in zip(self.lateral, features, strict=True)]
        merged = laterals[-1:]
        for layer, lateral in zip(self.down, laterals[-2::-1], strict=True):
            merged.append(layer(merged[-1], lateral))
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
        # two convolutions: a CPU would copy the parts of one
        count, weight, bias = len(COCO_CLASSES), self.output.weight, self.output.bias
        assert bias is not None
        classes = nn.functional.conv2d(tower, weight[:count], bias[:count])
        bins = nn.functional.conv2d(tower, weight[count:], bias[count:])
        # a softmax over any axis but the last is slow in ONNX Runtime; in float32 this is safe
        weights = bins.float().clamp(-30, 30).exp().unflatten(1, (4, BINS))
        steps = torch.arange(BINS, dtype=weights.dtype, device=bins.device).view(1, 1, BINS, 1, 1)
        return tower, Detection(classes, (weights * steps).sum(2) / weights.sum(2) * stride)


class PicoDet(Trunk):
    """The detector as trunk: ``picodet-s``, ``-m`` or ``-l``.

    Its features are the stem at stride 4 and the towers at strides 8 to 32.
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
        self.channels = [stem, *(widths.pyramid,) * 3]

    def forward(self, pixels: Tensor) -> TrunkOutput:
        """Normalised RGB [B, 3, H, W], H and W multiples of 32 → features and detections."""
        stem, *stages = self.backbone(pixels)
        features, detections = [stem], []
        for level, tower, stride in zip(
            self.pyramid(stages), self.towers, DETECTION_STRIDES, strict=True
        ):
            tower_features, detection = tower(level, stride)
            detections.append(detection)
            features.append(tower_features)
        return TrunkOutput(features[:4], detections)

    def early(self) -> Iterator[nn.Parameter]:
        """The stem and the first block at stride 8."""
        yield from self.backbone.stem.parameters()
        yield from cast(Stage, self.backbone.stages[0]).down.parameters()

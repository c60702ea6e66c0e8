"""ESNet, the backbone of PP-PicoDet (Yu et al. 2021, arXiv 2111.00902).

Enhanced ShuffleNet blocks: half of the channels pass a block unchanged, the other half is
convolved and scaled by squeeze-and-excitation, and a channel shuffle mixes the halves. Batch norms
are folded into the convolutions, as in the published weights.

Convolutions are registered in the order of the published network, which is how
``streamseg.model.picodet`` loads its weights.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

STEM_CHANNELS = 24
BLOCKS_PER_STAGE = (3, 7, 3)


def round_channels(channels: float, divisor: int) -> int:
    """Round to a multiple of ``divisor``, at least one of it and at least 90 % of ``channels``."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


class ConvUnit(nn.Sequential):
    """Convolution with bias, then hard swish."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 1,
        *,
        stride: int = 1,
        depthwise: bool = False,
        activation: bool = True,
    ) -> None:
        """``activation`` off leaves the convolution alone."""
        groups = inputs if depthwise else 1
        conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups)
        super().__init__(conv, *([nn.Hardswish()] if activation else []))


class SqueezeExcite(nn.Module):
    """Scale every channel by a gate that sees the mean of all channels."""

    def __init__(self, channels: int) -> None:
        """The hidden layer has a quarter of the channels."""
        super().__init__()
        self.reduce = nn.Conv2d(channels, channels // 4, 1)
        self.expand = nn.Conv2d(channels // 4, channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        """[B, C, h, w] → [B, C, h, w]."""
        mean = features.mean((2, 3), keepdim=True)
        gate = nn.functional.hardsigmoid(self.expand(self.reduce(mean).relu()))
        return features * gate


class Block(nn.Module):
    """Enhanced ShuffleNet block of stride 1."""

    def __init__(self, channels: int, middle: int) -> None:
        """Keep the number of channels; ``middle`` of them are inside."""
        super().__init__()
        half = channels // 2
        self.pointwise = ConvUnit(half, middle // 2)
        self.depthwise = ConvUnit(middle // 2, middle // 2, 3, depthwise=True, activation=False)
        self.excite = SqueezeExcite(middle)
        self.project = ConvUnit(middle, half)

    def forward(self, features: Tensor) -> Tensor:
        """[B, C, h, w] → [B, C, h, w]."""
        kept, worked = features.chunk(2, 1)
        ghost = self.pointwise(worked)
        worked = self.project(self.excite(torch.cat((ghost, self.depthwise(ghost)), 1)))
        return nn.functional.channel_shuffle(torch.cat((kept, worked), 1), 2)


class DownBlock(nn.Module):
    """Enhanced ShuffleNet block of stride 2: both branches see all channels."""

    def __init__(self, inputs: int, middle: int, outputs: int) -> None:
        """``middle`` channels are inside the second branch."""
        super().__init__()
        half = outputs // 2
        self.left_depthwise = ConvUnit(
            inputs, inputs, 3, stride=2, depthwise=True, activation=False
        )
        self.left_pointwise = ConvUnit(inputs, half)
        self.pointwise = ConvUnit(inputs, middle // 2)
        self.depthwise = ConvUnit(
            middle // 2, middle // 2, 3, stride=2, depthwise=True, activation=False
        )
        self.excite = SqueezeExcite(middle // 2)
        self.project = ConvUnit(middle // 2, half)
        self.merge_depthwise = ConvUnit(outputs, outputs, 3, depthwise=True)
        self.merge_pointwise = ConvUnit(outputs, outputs)

    def forward(self, features: Tensor) -> Tensor:
        """[B, C, h, w] → [B, C', h/2, w/2]."""
        left = self.left_pointwise(self.left_depthwise(features))
        right = self.project(self.excite(self.depthwise(self.pointwise(features))))
        merged: Tensor = self.merge_pointwise(self.merge_depthwise(torch.cat((left, right), 1)))
        return merged


class ESNet(nn.Module):
    """Stem and three stages: features at strides 4, 8, 16 and 32."""

    def __init__(self, scale: float, ratios: tuple[float, ...]) -> None:
        """Build.

        Args:
            scale: of the stages' channels, which are 128, 256 and 512 at 1.
            ratios: of channels inside each of the 13 blocks.
        """
        super().__init__()
        self.stem = ConvUnit(3, STEM_CHANNELS, 3, stride=2)
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.channels = [STEM_CHANNELS, *(round_channels(c * scale, 16) for c in (128, 256, 512))]
        self.stages = nn.ModuleList()
        inputs, block = STEM_CHANNELS, 0
        for outputs, count in zip(self.channels[1:], BLOCKS_PER_STAGE, strict=True):
            stage = nn.Sequential()
            for ratio in ratios[block : block + count]:
                middle = round_channels(outputs * ratio, 8)
                stage.append(
                    Block(outputs, middle) if len(stage) else DownBlock(inputs, middle, outputs)
                )
            self.stages.append(stage)
            inputs, block = outputs, block + count

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """[B, 3, H, W] → features at strides 4, 8, 16 and 32."""
        features = [self.pool(self.stem(pixels))]
        for stage in self.stages:
            features.append(stage(features[-1]))
        return features

"""ESNet, the backbone of PP-PicoDet (Yu et al. 2021, arXiv 2111.00902).

Enhanced ShuffleNet blocks: half of the channels pass a block unchanged, the other half is
convolved and scaled by squeeze-and-excitation, and a channel shuffle mixes the halves. Batch norms
are folded into the convolutions, as in the published weights.

The published network copies all channels three times per block: it splits, concatenates and
shuffles them. Here a block gives only the channels that it computes, and a later one concatenates
those that it reads. The channels of an output are therefore in the order in which they are read,
and ``streamseg.model.published`` reorders the published weights accordingly.
"""

from __future__ import annotations

from collections.abc import Sequence

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
    """Enhanced ShuffleNet block of stride 1: the half of the channels that is computed."""

    def __init__(self, channels: int, middle: int) -> None:
        """``channels`` come in and go out; ``middle`` are inside."""
        super().__init__()
        self.pointwise = ConvUnit(channels, middle // 2)
        self.depthwise = ConvUnit(middle // 2, middle // 2, 3, depthwise=True, activation=False)
        self.excite = SqueezeExcite(middle)
        self.project = ConvUnit(middle, channels)

    def forward(self, features: Tensor) -> Tensor:
        """[B, C, h, w] → [B, C, h, w]."""
        ghost = self.pointwise(features)
        excited = self.excite(torch.cat((ghost, self.depthwise(ghost)), 1))
        projected: Tensor = self.project(excited)
        return projected


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


class Stage(nn.Module):
    """A block of stride 2, then blocks of stride 1."""

    def __init__(self, inputs: int, middles: Sequence[int], outputs: int) -> None:
        """``middles`` are the channels inside each block."""
        super().__init__()
        first, *rest = middles
        self.down = DownBlock(inputs, first, outputs)
        self.blocks = nn.ModuleList(Block(outputs // 2, middle) for middle in rest)
        self.reads = shuffled_reads(outputs, len(rest))
        """Channels that each block of stride 1 reads, and those of the stage's output."""
        self.sizes = [
            [sum(producer == number for producer, _ in read) for read in self.reads[number:]]
            for number in range(len(middles))
        ]

    def forward(self, features: Tensor) -> Tensor:
        """[B, C, h, w] → [B, C', h/2, w/2]."""
        read: list[list[Tensor]] = [[] for _ in self.reads]
        output = self.down(features)
        for number, block in enumerate(self.blocks):
            parts = output.split(self.sizes[number], 1)
            for reader, part in zip(read[number:], parts, strict=True):
                reader.append(part)
            output = block(torch.cat(read[number], 1))
        return torch.cat((*read[-1], output), 1)


def shuffled_reads(channels: int, blocks: int) -> list[list[tuple[int, int]]]:
    """Follow the channels of a stage through the published network's shuffles.

    Args:
        channels: of the stage.
        blocks: of stride 1.

    Returns:
        For every block, and for the stage's output, the channels that it reads, in the published
        order: each as the number of the block that computes it, 0 for the one of stride 2, and its
        index there.
    """
    half = channels // 2
    state = [(0, index) for index in range(channels)]
    reads = []
    for block in range(1, blocks + 1):
        kept, read = state[:half], state[half:]
        reads.append(read)
        state = [channel for i, old in enumerate(kept) for channel in (old, (block, i))]
    return [*reads, state]


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
        remaining = iter(ratios)
        for inputs, outputs, count in zip(
            self.channels, self.channels[1:], BLOCKS_PER_STAGE, strict=False
        ):
            middles = [round_channels(outputs * next(remaining), 8) for _ in range(count)]
            self.stages.append(Stage(inputs, middles, outputs))

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """[B, 3, H, W] → features at strides 4, 8, 16 and 32."""
        features = [self.pool(self.stem(pixels))]
        for stage in self.stages:
            features.append(stage(features[-1]))
        return features

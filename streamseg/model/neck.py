"""Neck and heads: from the trunk's maps to one map at stride 4 and one at stride 8, and outputs."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from streamseg.config import ModelConfig


class ConvNormRelu(nn.Sequential):
    """Convolution, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int, *, groups: int = 1) -> None:
        """Keep the spatial size."""
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, groups=groups, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        )


class SeparableUnit(nn.Sequential):
    """Depthwise 5×5, then pointwise: a large window at a fraction of a dense 3×3's cost."""

    def __init__(self, channels: int) -> None:
        """Keep the spatial size and the number of channels."""
        super().__init__(
            ConvNormRelu(channels, channels, 5, groups=channels),
            ConvNormRelu(channels, channels, 1),
        )


class Neck(nn.Module):
    """Top-down feature pyramid from strides 4, 8, 16, 32 to maps at strides 4 and 8."""

    def __init__(self, trunk_channels: list[int], config: ModelConfig) -> None:
        """``trunk_channels`` are those of strides 4, 8, 16 and 32."""
        super().__init__()
        fine, *coarse = trunk_channels
        width, head = config.neck_channels, config.head_channels
        self.lateral = nn.ModuleList(ConvNormRelu(channels, width, 1) for channels in coarse)
        self.smooth = nn.ModuleList(SeparableUnit(width) for _ in coarse[1:])
        self.fine_lateral = ConvNormRelu(fine, head, 1)
        self.reduce = ConvNormRelu(width, head, 1)
        self.refine = SeparableUnit(head)

    def forward(self, features: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Four maps → [B, head_channels, H/4, W/4] and [B, neck_channels, H/8, W/8]."""
        fine, *coarse = features
        *finer, summed = [unit(map_) for unit, map_ in zip(self.lateral, coarse, strict=True)]
        for lateral, smooth in zip(reversed(finer), self.smooth, strict=True):
            summed = lateral + functional.interpolate(smooth(summed), scale_factor=2.0)
        enlarged = functional.interpolate(self.reduce(summed), scale_factor=2.0, mode="bilinear")
        refined: Tensor = self.refine(self.fine_lateral(fine) + enlarged)
        return refined, summed


class SingleMapNeck(nn.Module):
    """For a trunk with one map: a 1×1 convolution for each of the two strides."""

    def __init__(self, channels: int, config: ModelConfig) -> None:
        """``channels`` are those of the trunk's map."""
        super().__init__()
        self.fine = ConvNormRelu(channels, config.head_channels, 1)
        self.coarse = ConvNormRelu(channels, config.neck_channels, 1)

    def forward(self, features: list[Tensor]) -> tuple[Tensor, Tensor]:
        """One map → [B, head_channels, h, w] and [B, neck_channels, h, w]."""
        return self.fine(features[0]), self.coarse(features[0])


class PixelHead(nn.Module):
    """Features and positions → embeddings and foreground, from one hidden layer.

    The hidden layer lets the features gate the positions: small similar neighbours are separated by
    position, while a large object stays whole.
    """

    def __init__(self, channels: int, positions: int, embedding_dim: int, taus: int) -> None:
        """``channels`` and ``positions`` come in, at the same spatial size."""
        super().__init__()
        self.feature = nn.Conv2d(channels, channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        # added after the norm: no concatenated copy of the features, at the size that costs most
        self.position = nn.Conv2d(positions, channels, 1, bias=False)
        self.embedding = nn.Conv2d(channels, embedding_dim, 1)
        self.foreground = nn.Conv2d(channels, taus, 1)

    def forward(self, features: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
        """[B, channels, h, w] and [B or 1, positions, h, w] → [B, D, h, w] and [B, T, h, w]."""
        hidden = functional.relu(self.norm(self.feature(features)) + self.position(positions))
        return self.embedding(hidden), self.foreground(hidden)

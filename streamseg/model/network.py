"""The network: trunk, a small feature pyramid, and two heads at stride 4.

Fathi et al. 2017 give every pixel an embedding and, for each similarity threshold τ, a
distribution over the classes and background. The neck spends its dense 3×3 convolutions at
strides 8 to 32; at stride 4, where a pixel costs four times as much, everything is depthwise.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from streamseg.config import ModelConfig
from streamseg.model.trunks import build_trunk, feature_info


class ConvUnit(nn.Sequential):
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
            ConvUnit(channels, channels, 5, groups=channels), ConvUnit(channels, channels, 1)
        )


class Neck(nn.Module):
    """Top-down feature pyramid from strides 4, 8, 16, 32 to one map at stride 4."""

    def __init__(self, trunk_channels: list[int], config: ModelConfig) -> None:
        """``trunk_channels`` are those of strides 4, 8, 16 and 32."""
        super().__init__()
        fine, *coarse = trunk_channels
        width, head = config.neck_channels, config.head_channels
        self.lateral = nn.ModuleList(ConvUnit(channels, width, 1) for channels in coarse)
        self.smooth = nn.ModuleList(ConvUnit(width, width, 3) for _ in coarse)
        self.fine_lateral = ConvUnit(fine, head, 1)
        self.reduce = ConvUnit(width, head, 1)
        self.refine = nn.Sequential(SeparableUnit(head), SeparableUnit(head))

    def forward(self, features: list[Tensor]) -> Tensor:
        """Four maps → [B, head_channels, H/4, W/4]."""
        fine, *coarse = features
        laterals = [unit(feature) for unit, feature in zip(self.lateral, coarse, strict=True)]
        summed = self.smooth[-1](laterals[-1])
        for lateral, smooth in zip(laterals[-2::-1], list(self.smooth)[-2::-1], strict=True):
            summed = smooth(lateral + functional.interpolate(summed, scale_factor=2.0))
        enlarged = functional.interpolate(self.reduce(summed), scale_factor=2.0, mode="bilinear")
        refined: Tensor = self.refine(self.fine_lateral(fine) + enlarged)
        return refined


def head(channels: int, outputs: int) -> nn.Sequential:
    """Features and two coordinates → outputs, with one hidden layer.

    The hidden layer lets the features gate the coordinates: small alike neighbours are told
    apart by where they are, while a large object stays one.
    """
    return nn.Sequential(ConvUnit(channels + 2, channels, 1), nn.Conv2d(channels, outputs, 1))


class Network(nn.Module):
    """Pictures → pixel embeddings and, per τ, class logits."""

    def __init__(self, config: ModelConfig, *, pretrained: bool = False) -> None:
        """Build the network of ``config``; ``pretrained`` asks for ImageNet weights."""
        super().__init__()
        self.config = config
        self.trunk = build_trunk(config.trunk, pretrained=pretrained)
        self.neck = Neck(feature_info(self.trunk).channels(), config)
        classes = len(config.class_names) + 1
        self.embedding_head = head(config.head_channels, config.embedding_dim)
        self.class_head = head(config.head_channels, len(config.taus) * classes)
        # for training only: what is where, before objects are told apart
        self.semantic_head = nn.Conv2d(config.head_channels, classes, 1)
        self.register_buffer("mean", torch.tensor(config.pixel_mean).view(1, 3, 1, 1), False)
        self.register_buffer("std", torch.tensor(config.pixel_std).view(1, 3, 1, 1), False)
        self.mean: Tensor
        self.std: Tensor

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Run the network.

        Args:
            pixels: RGB, float, grey levels 0..255, [B, 3, H, W]; H and W multiples of 32.

        Returns:
            embeddings [B, D, H/4, W/4] and logits [B, T, C+1, H/4, W/4].
        """
        return self.heads(self.features(pixels))

    def features(self, pixels: Tensor) -> Tensor:
        """Trunk and neck: [B, 3, H, W] → [B, head_channels, H/4, W/4]."""
        features: Tensor = self.neck(self.trunk((pixels - self.mean) / self.std))
        return features

    def heads(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Features → embeddings and logits, as in ``forward``."""
        placed = torch.cat((features, self.coordinates(features)), dim=1)
        shape = (len(self.config.taus), len(self.config.class_names) + 1)
        return self.embedding_head(placed), self.class_head(placed).unflatten(1, shape)

    def coordinates(self, features: Tensor) -> Tensor:
        """Distance from the picture's centre, x then y, [B, 2, h, w].

        Its scale is fixed in pixels, not in picture widths, so that two alike objects lie as
        far apart in a large picture as they did in a training crop.
        """
        batch, _, height, width = features.shape
        step = self.config.stride / self.config.coordinate_scale_px
        rows = torch.arange(height, dtype=features.dtype, device=features.device)
        columns = torch.arange(width, dtype=features.dtype, device=features.device)
        y = (rows - (height - 1) / 2).mul(step).view(1, 1, height, 1)
        x = (columns - (width - 1) / 2).mul(step).view(1, 1, 1, width)
        shape = (batch, 1, height, width)
        return torch.cat((x.expand(shape), y.expand(shape)), dim=1)

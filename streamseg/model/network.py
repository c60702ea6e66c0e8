"""The network: trunk, a small feature pyramid, and two heads at stride 4.

Fathi et al. 2017 give every pixel an embedding and, for each similarity threshold τ, a
distribution over the classes and background. The neck spends its dense 3×3 convolutions at
strides 8 to 32; at stride 4, where a pixel costs four times as much, everything is depthwise.
At stride 32 two large depthwise windows more let every pixel know of all of a large object.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from streamseg.config import SIZE_MULTIPLE, ModelConfig
from streamseg.model.deeplab import Deeplab
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
        self.context = nn.Sequential(SeparableUnit(width), SeparableUnit(width))
        self.smooth = nn.ModuleList(ConvUnit(width, width, 3) for _ in coarse)
        self.fine_lateral = ConvUnit(fine, head, 1)
        self.reduce = ConvUnit(width, head, 1)
        self.refine = nn.Sequential(SeparableUnit(head), SeparableUnit(head))

    def forward(self, features: list[Tensor]) -> Tensor:
        """Four maps → [B, head_channels, H/4, W/4]."""
        fine, *coarse = features
        laterals = [unit(feature) for unit, feature in zip(self.lateral, coarse, strict=True)]
        summed = self.smooth[-1](laterals[-1] + self.context(laterals[-1]))
        for lateral, smooth in zip(laterals[-2::-1], list(self.smooth)[-2::-1], strict=True):
            summed = smooth(lateral + functional.interpolate(summed, scale_factor=2.0))
        enlarged = functional.interpolate(self.reduce(summed), scale_factor=2.0, mode="bilinear")
        refined: Tensor = self.refine(self.fine_lateral(fine) + enlarged)
        return refined


class Head(nn.Module):
    """Features and coordinates → outputs, with one hidden layer.

    The hidden layer lets the features gate the coordinates: small alike neighbours are told
    apart by where they are, while a large object stays one.
    """

    def __init__(self, channels: int, outputs: int) -> None:
        """``channels`` come in, ``outputs`` go out, at the same spatial size."""
        super().__init__()
        self.feature = nn.Conv2d(channels, channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        # added after the norm: no concatenated copy of the features, at the size that costs most
        self.position = nn.Conv2d(2, channels, 1, bias=False)
        self.output = nn.Conv2d(channels, outputs, 1)

    def forward(self, features: Tensor, coordinates: Tensor) -> Tensor:
        """[B, channels, h, w] and [B or 1, 2, h, w] → [B, outputs, h, w]."""
        hidden = self.norm(self.feature(features)) + self.position(coordinates)
        outputs: Tensor = self.output(functional.relu(hidden))
        return outputs


def scaled_size(height: int, width: int, scale: float) -> tuple[int, int]:
    """Height and width of one scale of a pyramid, rounded up to multiples of 32.

    In whole numbers, so that it can be traced for an export.
    """
    quarters, cell = round(4 * scale), 4 * SIZE_MULTIPLE
    return (
        -(-height * quarters // cell) * SIZE_MULTIPLE,
        -(-width * quarters // cell) * SIZE_MULTIPLE,
    )


def resized(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Interpolate [B, C, h, w] bilinearly to another height and width."""
    if maps.shape[2:] == size:
        return maps
    return functional.interpolate(maps, size, mode="bilinear", align_corners=False)


class Network(nn.Module):
    """Pictures → pixel embeddings and, per τ, class logits."""

    def __init__(self, config: ModelConfig, *, pretrained: bool = False) -> None:
        """Build the network of ``config``; ``pretrained`` asks for ImageNet weights."""
        super().__init__()
        self.config = config
        self.trunk: nn.Module
        self.neck: nn.Module
        if config.trunk == "deeplab":
            self.trunk = Deeplab(pretrained=pretrained)
            self.neck = ConvUnit(Deeplab.channels, config.head_channels, 1)
        else:
            self.trunk = build_trunk(config.trunk, pretrained=pretrained)
            self.neck = Neck(feature_info(self.trunk).channels(), config)
        classes = len(config.class_names) + 1
        self.embedding_head = Head(config.head_channels, config.embedding_dim)
        self.class_head = Head(config.head_channels, len(config.taus) * classes)
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
        """Trunk and neck: [B, 3, H, W] → [B, head_channels, H/4, W/4].

        With an image pyramid every scale goes through the same trunk and neck, and the maps,
        brought to one size, are averaged.
        """
        normal = (pixels - self.mean) / self.std
        height, width = pixels.shape[2:]
        map_size = (height // self.config.stride, width // self.config.stride)
        maps = [
            resized(
                self.neck(self.trunk(resized(normal, scaled_size(height, width, scale)))), map_size
            )
            for scale in self.config.pyramid
        ]
        return maps[0] if len(maps) == 1 else torch.stack(maps).mean(0)

    def heads(self, features: Tensor, centres: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Features → embeddings and logits, as in ``forward``.

        Args:
            features: [B, head_channels, h, w].
            centres: [B, 2], where the centre of each map lies from that of the whole picture, x
                then y in input pixels; 0 if None. Crops of a picture say so in training.
        """
        coordinates = self.coordinates(features)
        if centres is not None:
            offset = centres / self.config.coordinate_scale_px
            coordinates = coordinates + offset[:, :, None, None]
        shape = (len(self.config.taus), len(self.config.class_names) + 1)
        logits = self.class_head(features, coordinates).unflatten(1, shape)
        return self.embedding_head(features, coordinates), logits

    def coordinates(self, features: Tensor) -> Tensor:
        """Distance from the map's centre, x then y, [1, 2, h, w].

        Its scale is fixed in pixels, not in picture widths, so that two alike objects lie as
        far apart in a large picture as in a small one. Computed in float32, and only the result
        in the features' type, which need not tell one row of a large map from the next.
        """
        height, width = features.shape[2:]
        step = self.config.stride / self.config.coordinate_scale_px
        rows = torch.arange(height, dtype=torch.float32, device=features.device)
        columns = torch.arange(width, dtype=torch.float32, device=features.device)
        y = (rows - (height - 1) / 2).mul(step).view(1, 1, height, 1)
        x = (columns - (width - 1) / 2).mul(step).view(1, 1, 1, width)
        shape = (1, 1, height, width)
        return torch.cat((x.expand(shape), y.expand(shape)), dim=1).to(features.dtype)

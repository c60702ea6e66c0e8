"""The network: trunk, a thin feature pyramid, a head at stride 4 and one at stride 8.

Fathi et al. 2017 give every pixel p an embedding and, for each similarity threshold τ, a
distribution C(τ, p, ·) over the classes and background. Here it has two factors: the foreground
F(τ, p), how likely p grows a good mask with τ, and the class Q(p, c) of p's object, the same for
every τ: C(τ, p, c) = F(τ, p) · Q(p, c), and background has the rest.

A trunk that is a detector predicts much of this before training. Its class scores are the prior, to
which a learned correction is added, and its boxes tell the head at stride 4 where the object of a
pixel lies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from streamseg.classes import COCO_CLASSES, Classes, coco_index
from streamseg.config import SIZE_MULTIPLE, ModelConfig
from streamseg.errors import ConfigError
from streamseg.model.neck import Neck, PixelHead, SingleMapNeck
from streamseg.model.positions import position_maps
from streamseg.model.prior import Prior, merge_detections
from streamseg.model.trunk import Detection
from streamseg.model.trunks import build_trunk

UNKNOWN_TO_TRUNK = -4.0
"""Prior logit of a class that the trunk has no score for."""
LARGEST_LOGIT = 60.0
"""Of a class in the output: the sum of all exponentials stays finite in float32."""


@dataclass(frozen=True)
class NetworkMaps:
    """Outputs of the network; scores as logits."""

    embeddings: Tensor
    """[B, D, H/4, W/4]"""
    foreground: Tensor
    """[B, T, H/4, W/4], logits of F."""
    classes: Tensor
    """[B, C, H/8, W/8], logits of Q, without background."""
    prior: Tensor | None
    """[B, C, H/8, W/8], logits of the classes as the trunk gives them, if it detects."""


def scaled_size(height: int, width: int, scale: float) -> tuple[int, int]:
    """Size of an input at a scale of the image pyramid, up to the next multiple of 32.

    Integer arithmetic, so that an export can trace it.
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


@dataclass(frozen=True)
class Features:
    """Inputs of the heads."""

    fine: Tensor
    """[B, head_channels, H/4, W/4]"""
    coarse: Tensor
    """[B, neck_channels, H/8, W/8]"""
    detections: Sequence[Detection]
    """Detections of the trunk, if it is a detector."""

    def float(self) -> Features:
        """The same in float32."""
        detections = [Detection(d.classes.float(), d.box.float()) for d in self.detections]
        return Features(self.fine.float(), self.coarse.float(), detections)


class Network(nn.Module):
    """Images → pixel embeddings, foreground per τ, and classes."""

    def __init__(self, config: ModelConfig, *, pretrained: bool = False) -> None:
        """Build the network of ``config``; ``pretrained`` is that of ``build_trunk``."""
        super().__init__()
        self.config = config
        self.trunk = build_trunk(config.trunk, pretrained=pretrained)
        self.neck: nn.Module
        if len(self.trunk.channels) == 1:
            self.neck = SingleMapNeck(self.trunk.channels[0], config)
        else:
            self.neck = Neck(self.trunk.channels, config)
        positions = 7 if self.trunk.detects else 2
        self.pixel_head = PixelHead(
            config.head_channels, positions, config.embedding_dim, len(config.taus)
        )
        self.class_head = nn.Conv2d(config.neck_channels, len(config.class_names), 1)
        # for training only: what is an object, before objects are told apart
        self.semantic_head = nn.Conv2d(config.head_channels, 1, 1)
        if self.trunk.detects:
            if config.pyramid != (1.0,):
                raise ConfigError(f"trunk {config.trunk} takes no pyramid, got {config.pyramid}")
            # the correction starts at 0: the output is the prior
            nn.init.zeros_(self.class_head.weight)
            assert self.class_head.bias is not None
            nn.init.zeros_(self.class_head.bias)
            self.prior_scale = nn.Parameter(torch.ones(()))
        rows = [coco_index(name) for name in config.class_names]
        self.register_buffer("coco_rows", torch.tensor([row or 0 for row in rows]), False)
        self.register_buffer("in_coco", torch.tensor([row is not None for row in rows]), False)
        self.is_coco = rows == list(range(len(COCO_CLASSES)))
        self.register_buffer("mean", torch.tensor(config.pixel_mean).view(1, 3, 1, 1), False)
        self.register_buffer("std", torch.tensor(config.pixel_std).view(1, 3, 1, 1), False)
        self.mean: Tensor
        self.std: Tensor | None
        """None in an exported copy whose stem has weights that are divided by it."""
        self.register_buffer("selected", None, False)
        self.coco_rows: Tensor
        self.in_coco: Tensor
        self.selected: Tensor | None
        self.output_config = config
        """The configuration with only the classes that ``output`` returns."""

    def forward(self, pixels: Tensor) -> NetworkMaps:
        """Run the network.

        Args:
            pixels: RGB, float, grey levels 0..255, [B, 3, H, W]; H and W multiples of 32.
        """
        return self.heads(self.features(pixels))

    def output(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Compute embeddings, foreground and classes; see ``NetworkOutput``.

        Args:
            pixels: as for ``forward``.

        Returns:
            [B, D, H/4, W/4], logits [B, T, H/4, W/4] and probabilities [B, C, H/8, W/8], C the
            number of classes that were selected.
        """
        maps = self(pixels)
        # by hand: over any axis but the last, softmax, max and sum are slow in ONNX Runtime
        weights = maps.classes.clamp(-LARGEST_LOGIT, LARGEST_LOGIT).float().exp()
        count, (height, width) = weights.shape[1], weights.shape[2:]
        total = torch.ones(1, 1, count, device=weights.device) @ weights.flatten(2)
        classes = (weights / total.unflatten(2, (height, width))).to(maps.classes.dtype)
        if self.selected is not None:
            classes = classes.index_select(1, self.selected)
        return maps.embeddings, maps.foreground, classes

    def select(self, classes: Classes | None) -> None:
        """Restrict ``output`` to some of the classes, and say so in ``output_config``.

        Raises:
            ConfigError: see ``select_classes``.
        """
        self.output_config, rows = self.config.select(classes)
        selected = torch.tensor(rows, device=self.mean.device)
        self.register_buffer("selected", None if classes is None else selected, False)

    def features(self, pixels: Tensor) -> Features:
        """Trunk and neck.

        With an image pyramid every scale goes through the same trunk and neck, and the maps,
        brought to one size, are averaged.

        Args:
            pixels: as for ``forward``.
        """
        normal = self.normalised(pixels)
        height, width = pixels.shape[2:]
        stride = self.config.stride
        fine, coarse = [], []
        for scale in self.config.pyramid:
            trunk = self.trunk(resized(normal, scaled_size(height, width, scale)))
            maps = self.neck(trunk.features)
            fine.append(resized(maps[0], (height // stride, width // stride)))
            coarse.append(resized(maps[1], (height // (2 * stride), width // (2 * stride))))
        if len(fine) == 1:
            return Features(fine[0], coarse[0], trunk.detections)
        return Features(torch.stack(fine).mean(0), torch.stack(coarse).mean(0), [])

    def normalised(self, pixels: Tensor) -> Tensor:
        """Normalise grey levels for the trunk."""
        centred = pixels - self.mean
        return centred if self.std is None else centred / self.std

    def heads(self, features: Features, centres: Tensor | None = None) -> NetworkMaps:
        """Features → embeddings, foreground and classes.

        Args:
            features: of trunk and neck.
            centres: [B, 2], where the centre of each map lies from that of the whole image, x
                then y in input pixels; 0 if None. Crops of an image say so in training.
        """
        prior = merge_detections(features.detections) if features.detections else None
        positions = position_maps(features.fine, prior, centres, self.config)
        classes = self.class_head(features.coarse)
        class_prior = None if prior is None else self.class_prior(prior)
        if class_prior is not None:
            classes = classes + class_prior * self.prior_scale
        embeddings, foreground = self.pixel_head(features.fine, positions)
        return NetworkMaps(embeddings, foreground, classes, class_prior)

    def class_prior(self, prior: Prior) -> Tensor:
        """Scores of the detector for the model's classes, [B, C, H/8, W/8], logits."""
        if self.is_coco:
            return prior.classes
        scores = prior.classes.index_select(1, self.coco_rows)
        unknown = torch.full_like(scores[:1, :, :1, :1], UNKNOWN_TO_TRUNK)
        return torch.where(self.in_coco.view(1, -1, 1, 1), scores, unknown)

"""The interface of all trunks: feature maps, and detections if the trunk is a detector."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from torch import Tensor, nn

DETECTION_STRIDES = (8, 16, 32, 64)


@dataclass(frozen=True)
class Detection:
    """Detections at one stride s: maps of ceil(H/s) × ceil(W/s) cells."""

    classes: Tensor
    """[B, 80, h, w], logits of COCO's classes, each against all else."""
    box: Tensor
    """[B, 4, h, w], distances from the cell's centre to left, top, right, bottom in pixels; always
    float32, as half precision is too coarse for the pixels of a large image."""


@dataclass(frozen=True)
class TrunkOutput:
    """Features and detections of a trunk."""

    features: list[Tensor]
    """At strides 4, 8, 16 and 32, or one map alone."""
    detections: list[Detection] = field(default_factory=list)
    """At ``DETECTION_STRIDES``; none from a trunk that does not detect."""


class Trunk(nn.Module):
    """Normalised RGB [B, 3, H, W], H and W multiples of 32 → ``TrunkOutput``."""

    channels: list[int]
    """Of each feature map."""
    detects: bool = False

    def early(self) -> Iterator[nn.Parameter]:
        """Parameters that stay frozen: edges and textures are useful for any task.

        These layers, at the highest resolution, cost most of a backward pass.
        """
        yield from ()

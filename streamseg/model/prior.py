"""What a detector already knows of every pixel: its class, and the extent of its object.

The detector looks at strides 8 to 64; here its levels become one map at stride 8, and at every
cell the level with the highest score speaks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from streamseg.model.trunk import DETECTION_STRIDES, Detection


@dataclass(frozen=True)
class Prior:
    """Maps at stride 8."""

    classes: Tensor
    """[B, 80, h, w], logits of COCO's classes."""
    box: Tensor
    """[B, 4, h, w]: centre x, y from the middle of the image, width, height; input pixels."""

    @property
    def score(self) -> Tensor:
        """[B, 1, h, w], of the best class, 0 to 1."""
        return self.classes.amax(1, keepdim=True).sigmoid()


def merge_detections(detections: Sequence[Detection]) -> Prior:
    """Merge levels, from coarse to fine, into one map at stride 8.

    Args:
        detections: at strides 8, 16, 32 and 64.
    """
    rows, columns = detections[0].classes.shape[2:]
    middle = columns * DETECTION_STRIDES[0] / 2, rows * DETECTION_STRIDES[0] / 2
    merged: Prior | None = None
    for detection, stride in zip(detections[::-1], DETECTION_STRIDES[::-1], strict=True):
        here = Prior(detection.classes, _placed(detection.box, stride, middle))
        merged = here if merged is None else _merged(merged, here)
    assert merged is not None
    return merged


def _merged(coarse: Prior, fine: Prior) -> Prior:
    height, width = fine.classes.shape[2:]
    classes, box = (
        functional.interpolate(values, scale_factor=2.0)[:, :, :height, :width]
        for values in (coarse.classes, coarse.box)
    )
    coarse_wins = classes.amax(1, keepdim=True) > fine.classes.amax(1, keepdim=True)
    return Prior(torch.maximum(classes, fine.classes), torch.where(coarse_wins, box, fine.box))


def _placed(distances: Tensor, stride: int, middle: tuple[float, float]) -> Tensor:
    """Distances to four sides → centre and size; see ``Prior.box``.

    ``middle`` is x, y of the image's middle in pixels: the coarsest map may reach beyond the image.
    """
    height, width = distances.shape[2:]
    rows = torch.arange(height, dtype=distances.dtype, device=distances.device)
    columns = torch.arange(width, dtype=distances.dtype, device=distances.device)
    y = ((rows + 0.5) * stride - middle[1]).view(1, 1, -1, 1)
    x = ((columns + 0.5) * stride - middle[0]).view(1, 1, 1, -1)
    left, top, right, bottom = distances.split(1, 1)
    return torch.cat(
        (x + (right - left) / 2, y + (bottom - top) / 2, left + right, top + bottom), 1
    )

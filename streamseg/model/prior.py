"""Detections as a map: the class and the box of the object at every pixel.

The detector has maps at strides 8 to 64; here they are merged into one map at stride 8. The score
of a class is the highest of all levels. Boxes are averaged, over levels and neighbouring cells, by
the score of their cells (normalised convolution, Knutsson and Westin 1993): a cell at the rim of an
object predicts its box less well than cells further inside. Taking the best level alone would leave
the edges of coarse cells in the outlines of masks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from streamseg.model.trunk import DETECTION_STRIDES, Detection

SHARPNESS: Final = 3
"""A box is weighted by its cell's score to this power."""


@dataclass(frozen=True)
class Prior:
    """Maps at stride 8."""

    classes: Tensor
    """[B, 80, h, w], logits of COCO's classes."""
    box: Tensor
    """[B, 4, h, w]: centre x, y from the middle of the image, width, height; input pixels."""
    score: Tensor
    """[B, 1, h, w], of the best class, 0 to 1."""


def merge_detections(detections: Sequence[Detection]) -> Prior:
    """Merge levels into one map at stride 8.

    Args:
        detections: at strides 8, 16, 32 and 64.
    """
    best = [detection.classes.amax(1, keepdim=True) for detection in detections]
    finest = detections[0].classes
    middle = finest.shape[3] * DETECTION_STRIDES[0] / 2, finest.shape[2] * DETECTION_STRIDES[0] / 2
    votes = torch.zeros_like(detections[0].box[:, :1])
    for detection, logits, stride in zip(detections, best, DETECTION_STRIDES, strict=True):
        weight = logits.float().sigmoid() ** SHARPNESS
        weighted = torch.cat((_placed(detection.box, stride, middle) * weight, weight), 1)
        blurred = functional.avg_pool2d(weighted, 3, 1, 1)
        votes = votes + _enlarged(blurred, stride // DETECTION_STRIDES[0], finest, "bilinear")
    return Prior(
        classes=_highest([detection.classes for detection in detections]),
        box=votes[:, :4] / votes[:, 4:].clamp(min=1e-30),
        score=_highest(best).sigmoid(),
    )


def _highest(levels: Sequence[Tensor]) -> Tensor:
    """Maximum over levels, at the size of the first, which is the finest."""
    highest = levels[-1]
    for level in levels[-2::-1]:
        highest = torch.maximum(_enlarged(highest, 2, level, "nearest"), level)
    return highest


def _enlarged(coarse: Tensor, factor: int, fine: Tensor, mode: str) -> Tensor:
    """A map enlarged, and cut to the size of another: the coarsest may reach beyond the image."""
    if factor == 1:
        return coarse
    height, width = fine.shape[2:]
    return functional.interpolate(coarse, scale_factor=float(factor), mode=mode)[
        :, :, :height, :width
    ]


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

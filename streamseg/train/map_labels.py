"""Labels of a training image at the size of the feature map, and the shares of its pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from streamseg.datasets import VOID
from streamseg.train.augment import Crop


@dataclass(frozen=True, eq=False)
class MapLabels:
    """What each pixel of the feature map shows; h = w = S/stride."""

    labels: Tensor
    """[h, w] int64: 0 background, k the k-th object, 255 void; what covers most of the pixel."""
    coverage: Tensor
    """[M, h, w] float32, 0..1: the share of the pixel that object k covers, at k-1, without its
    void part. On an outline it lies between 0 and 1."""
    kept: list[int]
    """For object k, at k-1, its index among the objects of the crop."""


def label_map_pixels(crop: Crop, stride: int, min_px: int) -> MapLabels:
    """Count the pixels of each object in the stride×stride pixels of each map pixel.

    Objects with fewer than ``min_px`` map pixels are too small to learn and become void. The rest
    are numbered anew. If two cover a map pixel equally, void wins, then background, then the lower
    number.
    """
    height, width = (side // stride for side in crop.object_map.shape)
    is_present = np.bincount(crop.object_map.reshape(-1), minlength=256) > 0
    objects = np.flatnonzero(is_present[1:VOID]) + 1
    column = np.zeros(256, np.int64)  # void
    column[0] = 1
    column[objects] = np.arange(len(objects)) + 2
    columns = len(objects) + 2
    row, along = np.arange(height).repeat(stride), np.arange(width).repeat(stride)
    bin_of_pixel = (row[:, None] * width + along) * columns + column[crop.object_map]
    count = np.bincount(bin_of_pixel.reshape(-1), minlength=height * width * columns)
    count = count.reshape(height * width, columns)

    is_large = np.bincount(count.argmax(1), minlength=columns) >= min_px
    is_large[:2] = True
    count[:, 0] += count[:, ~is_large].sum(1)
    count = count[:, is_large]
    shown = count.argmax(1)
    coverage = count[:, 2:].T / np.maximum(stride * stride - count[:, 0], 1)
    return MapLabels(
        torch.from_numpy(np.where(shown > 0, shown - 1, VOID).reshape(height, width)),
        torch.from_numpy(coverage.astype(np.float32).reshape(-1, height, width)),
        [int(k) - 1 for k in objects[is_large[2:]]],
    )

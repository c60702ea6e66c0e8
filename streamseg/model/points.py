"""The pixels of a feature map that the losses look at."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from streamseg.datasets import VOID


@dataclass(frozen=True)
class Points:
    """Pixels of one feature map drawn for the losses, grouped by instance."""

    index: Tensor
    """[P] int64, position in the flattened map."""
    instance: Tensor
    """[P] int64: 0 background, k the k-th object."""
    instance_size: Tensor
    """[P] float32, feature-map pixels of the point's instance."""

    def to(self, device: torch.device) -> Points:
        """The points on a device."""
        return Points(
            self.index.to(device), self.instance.to(device), self.instance_size.to(device)
        )

    def every(self, nth: int) -> Points:
        """Every nth of them; as they lie by instance, every instance keeps its share."""
        return Points(self.index[::nth], self.instance[::nth], self.instance_size[::nth])


def draw_points(
    labels: Tensor, *, per_instance: int, in_background: int, generator: torch.Generator
) -> Points:
    """Draw random pixels of every instance and of the background.

    The background is one more instance of the embedding loss. Some pixels of instances smaller than
    the number of points are drawn several times.

    Args:
        labels: [h, w] int64: 0 background, k the k-th object, 255 void.
        per_instance: points for each object (K of the paper).
        in_background: points for the background.
        generator: random generator.
    """
    flat = labels.flatten()
    index, instance, size = [], [], []
    for value in torch.unique(flat).tolist():
        if value == VOID:
            continue
        pixels = (flat == value).nonzero().squeeze(1)
        count = per_instance if value else in_background
        index.append(pixels[torch.randint(len(pixels), (count,), generator=generator)])
        instance.append(torch.full((count,), value))
        size.append(torch.full((count,), float(len(pixels))))
    if not index:
        none = torch.zeros(0, dtype=torch.int64)
        return Points(none, none, torch.zeros(0))
    return Points(torch.cat(index), torch.cat(instance), torch.cat(size))

"""Disjoint labels at frame size on a GPU, in one launch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from streamseg.kernels.checks import check_count
from streamseg.kernels.device_checks import check_tensor
from streamseg.kernels.label_pixels.launch import label_pixels_launch
from streamseg.kernels.triton_launch import start


@dataclass(frozen=True, eq=False)
class DeviceLabels:
    """``Labels`` as tensors on the device."""

    label_map: Tensor
    """uint16 [H, W]."""
    area_px: Tensor
    """int32 [K]."""
    box: Tensor
    """int32 [K, 4]: x0, y0, x1, y1, half open; zeros for a label without pixels."""
    embedding: Tensor
    """float32 [K, D]."""


def label_pixels(
    embeddings: Tensor, seed_index: Tensor, seed_tau: Tensor, *, height: int, width: int
) -> DeviceLabels:
    """Run ``streamseg.kernels.label_pixels`` on a GPU; return at once.

    Values on the device are not checked: that would wait for the GPU. Sums are added in any order,
    so the last bits of a mean embedding may differ between runs.

    Args:
        embeddings: float16, bfloat16 or float32 [D, h, w], channels last in memory; other layouts
            are copied.
        seed_index: int32 [K]; K may be 0.
        seed_tau: float32 [K].
        height: H of the frame.
        width: W of the frame.

    Raises:
        InputError: another shape or dtype.
    """
    check_tensor("embeddings", embeddings, None, ("D", "h", "w"))
    seeds = len(seed_index)
    check_tensor("seed_index", seed_index, torch.int32, ("K",), empty=True)
    check_tensor("seed_tau", seed_tau, torch.float32, (seeds,), empty=True)
    check_count("number of seeds", seeds, 0, 65534)
    check_count("height", height, 1)
    check_count("width", width, 1)

    dims, map_height, map_width = embeddings.shape
    device = embeddings.device
    rows = embeddings.permute(1, 2, 0).contiguous()
    label_map = torch.empty((height, width), dtype=torch.uint16, device=device)
    area_px, members = torch.zeros((2, seeds), dtype=torch.int32, device=device)
    reach = torch.zeros((4, seeds), dtype=torch.int32, device=device)
    embedding_sum = torch.zeros((seeds, dims), dtype=torch.float32, device=device)
    start(
        label_pixels_launch((map_height, map_width), dims, seeds, height=height, width=width),
        embeddings=rows,
        chosen_index=seed_index,
        chosen_radius=(2 / seed_tau.double() - 1).log().float(),
        chosen_count=torch.full((1,), seeds, dtype=torch.int32, device=device),
        label_map=label_map,
        area_px=area_px,
        reach=reach,
        embedding_sum=embedding_sum,
        members=members,
    )
    box = torch.stack((width - reach[0], height - reach[1], reach[2], reach[3]))
    own = rows.flatten(0, 1)[seed_index.long()].float()
    mean = embedding_sum / members[:, None]
    return DeviceLabels(
        label_map,
        area_px,
        torch.where(area_px > 0, box, 0).T,
        torch.where(members[:, None] > 0, mean, own),
    )

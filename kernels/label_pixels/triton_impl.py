"""Disjoint labels at frame size on a GPU, in one launch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import triton
from torch import Tensor

from streamseg.kernels.checks import check_count
from streamseg.kernels.device_checks import check_tensor
from streamseg.kernels.label_pixels.triton_kernel import paint_kernel

CELLS = 16
CHUNK = 16
"""Of seeds. The smallest sides that a tensor core multiplies."""


@dataclass(frozen=True, eq=False)
class DeviceLabels:
    """``Labels`` as tensors on the device."""

    label_map: Tensor
    """uint16 [H, W]."""
    area_px: Tensor
    """int32 [K]."""
    box: Tensor
    """int32 [K, 4]: x0, y0, x1, y1, half open; zeros where a label won no pixel."""


def warps(dims: int) -> int:
    """So many that a thread loads 16 bytes of a program's half-precision embeddings at once."""
    return max(1, min(4, CELLS * dims // (8 * 32)))


def label_pixels(
    embeddings: Tensor, seed_index: Tensor, seed_tau: Tensor, *, height: int, width: int
) -> DeviceLabels:
    """``streamseg.kernels.label_pixels`` on a GPU; nothing waits for it.

    The values on the device are not checked: that would wait for the GPU.

    Args:
        embeddings: float16, bfloat16 or float32 [D, h, w]; fastest channels last in memory,
            otherwise copied.
        seed_index: int32 [K]; K may be 0.
        seed_tau: float32 [K]. Seeds with a tau of 1 are out of the running, so that which ones
            are in can be decided on the device.
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
    box = torch.zeros((4, seeds), dtype=torch.int32, device=device)
    box[0], box[1] = width, height
    label_map = torch.empty((height, width), dtype=torch.uint16, device=device)
    area_px = torch.zeros(seeds, dtype=torch.int32, device=device)
    paint_kernel[(height, triton.cdiv(map_width + 1, CELLS))](
        rows,
        seed_index,
        (2 / seed_tau.double() - 1).log().float(),
        label_map,
        area_px,
        box,
        map_height,
        map_width,
        height,
        width,
        seeds,
        D=dims,
        ROUNDED_D=max(16, triton.next_power_of_2(dims)),
        CELLS=CELLS,
        COLUMNS=triton.next_power_of_2(triton.cdiv(width, map_width)),
        CHUNK=CHUNK,
        num_warps=warps(dims),
    )
    return DeviceLabels(label_map, area_px, torch.where(area_px > 0, box, 0).T)

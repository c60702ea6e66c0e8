"""Greedy diverse seeds and their masks on a GPU, in one launch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from streamseg.kernels.checks import check_count, check_number, check_thresholds
from streamseg.kernels.device_checks import check_tensor, device_radius
from streamseg.kernels.group_pixels.launch import Plan, group_pixels_launch, most_programs, plan
from streamseg.kernels.group_pixels.reference import LARGEST_ALPHA, LEAST_ALPHA
from streamseg.kernels.triton_launch import start


@dataclass(frozen=True, eq=False)
class DeviceGroups:
    """``Groups`` as tensors on the device."""

    seed_index: Tensor
    """int32 [max_seeds]; -1 from ``count`` on."""
    count: Tensor
    """int32 [1], on the device: reading it waits for the GPU."""
    masks: Tensor
    """bool [max_seeds, h, w]; empty from ``count`` on."""


def most_programs_on(device: torch.device) -> int:
    """``most_programs`` of a device; 1 for Triton's interpreter, which runs one at a time."""
    if device.type != "cuda":
        return 1
    return most_programs(torch.cuda.get_device_properties(device).multi_processor_count)


def group_pixels(
    embeddings: Tensor,
    seediness: Tensor,
    tau_index: Tensor,
    taus: np.ndarray[tuple[int], np.dtype[np.float32]],
    *,
    alpha: float = 0.3,
    max_seeds: int,
    min_seediness: float,
    exclude_claimed: bool,
    pixel_plan: Plan | None = None,
) -> DeviceGroups:
    """Run ``streamseg.kernels.group_pixels`` on a GPU; return at once.

    Distances are sums of squared differences in float32. Values on the device (NaN, infinity,
    tau_index of T or more) are not checked: that would wait for the GPU.

    Args:
        embeddings: float16, bfloat16 or float32 [D, h, w], channels last in memory; other layouts
            are copied.
        seediness: float32 [h, w].
        tau_index: uint8 [h, w].
        taus: float32 [T], in host memory.
        alpha: as for the reference.
        max_seeds: as for the reference.
        min_seediness: as for the reference.
        exclude_claimed: as for the reference.
        pixel_plan: division of the pixels between programs; by default that of ``plan``.

    Raises:
        InputError: another shape or dtype, or a value out of range.
    """
    check_tensor("embeddings", embeddings, None, ("D", "h", "w"))
    dims, height, width = embeddings.shape
    check_tensor("seediness", seediness, torch.float32, (height, width))
    check_tensor("tau_index", tau_index, torch.uint8, (height, width))
    check_thresholds("taus", taus)
    check_number("alpha", alpha, LEAST_ALPHA, LARGEST_ALPHA)
    check_count("max_seeds", max_seeds, 1)
    check_number("min_seediness", min_seediness, 0, 1)

    device, pixels = embeddings.device, height * width
    rows = embeddings.permute(1, 2, 0).contiguous()
    pixel_plan = pixel_plan or plan(pixels, dims, rows.element_size(), most_programs_on(device))
    # one key and one counter for each round: nothing is reset between rounds
    barrier = torch.zeros(max_seeds * 2, dtype=torch.int64, device=device)
    nearest_distance = rows.new_empty(0 if pixel_plan.resident else pixels, dtype=torch.float32)
    groups = DeviceGroups(
        torch.empty(max_seeds, dtype=torch.int32, device=device),
        torch.empty(1, dtype=torch.int32, device=device),
        torch.empty((max_seeds, height, width), dtype=torch.bool, device=device),
    )
    start(
        group_pixels_launch(
            pixel_plan,
            pixels,
            dims,
            max_seeds=max_seeds,
            alpha=alpha,
            min_seediness=min_seediness,
            exclude_claimed=exclude_claimed,
        ),
        embeddings=rows,
        seediness=seediness.contiguous(),
        tau_index=tau_index.contiguous(),
        squared_radius=device_radius(tuple(taus.tolist()), device),
        nearest_distance=nearest_distance,
        keys=barrier[:max_seeds],
        arrivals=barrier[max_seeds:].view(torch.int32),
        seed_index=groups.seed_index,
        seed_count=groups.count,
        masks=groups.masks.view(torch.uint8),
    )
    return groups

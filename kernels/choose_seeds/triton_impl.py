"""Choose the seeds that become instances, on a GPU."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from streamseg.kernels.checks import check_number, check_thresholds
from streamseg.kernels.choose_seeds.launch import choose_seeds_launch
from streamseg.kernels.device_checks import check_tensor, device_radius
from streamseg.kernels.triton_launch import start


@dataclass(frozen=True, eq=False)
class DeviceChoice:
    """Seeds that become instances, as tensors on the device."""

    seed_index: Tensor
    """int32 [K], highest seediness first; -1 from ``count`` on."""
    seed_radius: Tensor
    """float32 [K], the largest squared distance in each mask; undefined from ``count`` on."""
    count: Tensor
    """int32 [1]."""


def choose_seeds(
    seed_index: Tensor,
    masks: Tensor,
    seediness: Tensor,
    *,
    min_visible: float,
    count: Tensor,
    tau_index: Tensor,
    taus: np.ndarray[tuple[int], np.dtype[np.float32]],
) -> DeviceChoice:
    """Run ``streamseg.kernels.choose_seeds`` on a GPU; return at once.

    Args:
        seed_index: int32 [K].
        masks: bool [K, h, w].
        seediness: float32 [h, w].
        min_visible: as for the reference.
        count: int32 [1], the number of seeds among the K.
        tau_index: uint8 [h, w].
        taus: float32 [T], in host memory.

    Raises:
        InputError: another shape or dtype, or a value out of range.
    """
    check_tensor("seediness", seediness, torch.float32, ("h", "w"))
    check_tensor("seed_index", seed_index, torch.int32, ("K",))
    check_tensor("masks", masks, torch.bool, (len(seed_index), *seediness.shape))
    check_tensor("count", count, torch.int32, (1,))
    check_tensor("tau_index", tau_index, torch.uint8, tuple(seediness.shape))
    check_thresholds("taus", taus)
    check_number("min_visible", min_visible, 0, 1)
    device, seeds = masks.device, len(seed_index)
    launch = choose_seeds_launch(seediness.numel(), seeds, min_visible=min_visible)
    room = 0 if launch.constants["RESIDENT"] else seediness.numel()
    chosen = DeviceChoice(
        torch.empty(seeds, dtype=torch.int32, device=device),
        torch.empty(seeds, dtype=torch.float32, device=device),
        torch.empty(1, dtype=torch.int32, device=device),
    )
    start(
        launch,
        seed_index=seed_index,
        seed_count=count,
        masks=masks.contiguous().view(torch.uint8),
        seediness=seediness.contiguous(),
        tau_index=tau_index.contiguous(),
        squared_radius=device_radius(tuple(taus.tolist()), device),
        order=torch.empty(seeds, dtype=torch.int32, device=device),
        taken=torch.zeros(room, dtype=torch.uint8, device=device),
        chosen_index=chosen.seed_index,
        chosen_radius=chosen.seed_radius,
        chosen_count=chosen.count,
    )
    return chosen

"""Greedy diverse seeds and their masks on a GPU, in one launch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
import triton
from torch import Tensor

from streamseg.kernels.checks import check_count, check_number, check_thresholds
from streamseg.kernels.device_checks import check_tensor
from streamseg.kernels.group_pixels.triton_kernel import group_kernel
from streamseg.kernels.similarity import squared_radius


@dataclass(frozen=True, eq=False)
class DeviceGroups:
    """``Groups`` as tensors on the device."""

    seed_index: Tensor
    """int32 [max_seeds]; -1 from ``count`` on."""
    count: Tensor
    """int32 [1]: on the device, since to know it is to wait for it."""
    masks: Tensor
    """bool [max_seeds, h, w]; empty from ``count`` on."""


@dataclass(frozen=True)
class Plan:
    """How the pixels are spread over programs."""

    programs: int
    block: int
    warps: int
    resident: bool
    """Every program has one tile, whose embeddings it keeps."""


def plan(pixels: int, dims: int, bytes_per_number: int, most_programs: int) -> Plan:
    """Spread pixels over programs.

    A thread keeps two pixels of 64 half-precision numbers without spilling, so 128 threads keep
    256 of them.

    Args:
        pixels: N.
        dims: D, rounded up to a power of two.
        bytes_per_number: of an embedding.
        most_programs: that run at the same time.
    """
    block = max(16, min(512, 256 * 64 * 2 // (dims * bytes_per_number)))
    programs = -(-pixels // block)
    if programs <= most_programs:
        return Plan(programs, block, 4, resident=True)
    return Plan(most_programs, block, 4, resident=False)


@lru_cache(maxsize=8)
def most_programs(device: torch.device) -> int:
    """How many programs of 128 threads with 255 registers each a device holds at once.

    They take half of the registers of a multiprocessor, 65536 from sm_75 to sm_120. Triton's
    interpreter runs programs one after another, so there it is 1.
    """
    if device.type != "cuda":
        return 1
    return 2 * int(torch.cuda.get_device_properties(device).multi_processor_count)


@lru_cache(maxsize=8)
def device_radius(taus: tuple[float, ...], device: torch.device) -> Tensor:
    """ln(2/tau - 1) on the device; kept, since a model has one set of thresholds."""
    return torch.from_numpy(squared_radius(np.array(taus, np.float32))).to(device)


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
    spread: Plan | None = None,
) -> DeviceGroups:
    """``streamseg.kernels.group_pixels`` on a GPU; nothing waits for it.

    Distances are sums of squared differences in float32. The values on the device (NaN, infinity,
    tau_index beyond T) are not checked: that would wait for the GPU.

    Args:
        embeddings: float16, bfloat16 or float32 [D, h, w]; fastest channels last in memory,
            otherwise copied.
        seediness: float32 [h, w].
        tau_index: uint8 [h, w].
        taus: float32 [T], in host memory.
        alpha: as for the reference.
        max_seeds: as for the reference.
        min_seediness: as for the reference.
        exclude_claimed: as for the reference.
        spread: of the pixels over programs; by default as ``plan`` says for this device.

    Raises:
        InputError: another shape or dtype, or a value out of range.
    """
    check_tensor("embeddings", embeddings, None, ("D", "h", "w"))
    dims, height, width = embeddings.shape
    check_tensor("seediness", seediness, torch.float32, (height, width))
    check_tensor("tau_index", tau_index, torch.uint8, (height, width))
    check_thresholds("taus", taus)
    check_number("alpha", alpha, float(np.finfo(np.float32).tiny), 1e6)
    check_count("max_seeds", max_seeds, 1)
    check_number("min_seediness", min_seediness, 0, 1)

    device, pixels = embeddings.device, height * width
    rows = embeddings.permute(1, 2, 0).contiguous()
    rounded = max(16, triton.next_power_of_2(dims))
    chosen = spread or plan(pixels, rounded, rows.element_size(), most_programs(device))
    # a key and an arrival for every round, so that nothing is reset between rounds
    barrier = torch.zeros(max_seeds * 2, dtype=torch.int64, device=device)
    scratch = rows.new_empty(0 if chosen.resident else pixels, dtype=torch.float32)
    groups = DeviceGroups(
        torch.empty(max_seeds, dtype=torch.int32, device=device),
        torch.empty(1, dtype=torch.int32, device=device),
        torch.empty((max_seeds, height, width), dtype=torch.bool, device=device),
    )
    group_kernel[(chosen.programs,)](
        rows,
        seediness.contiguous(),
        tau_index.contiguous(),
        device_radius(tuple(taus.tolist()), device),
        scratch,
        barrier[:max_seeds],
        barrier[max_seeds:].view(torch.int32),
        groups.seed_index,
        groups.count,
        groups.masks.view(torch.uint8),
        pixels,
        max_seeds,
        alpha,
        min_seediness,
        D=dims,
        ROUNDED_D=rounded,
        BLOCK=chosen.block,
        RESIDENT=chosen.resident,
        EXCLUDE_CLAIMED=exclude_claimed,
        num_warps=chosen.warps,
        launch_cooperative_grid=device.type == "cuda",
    )
    return groups

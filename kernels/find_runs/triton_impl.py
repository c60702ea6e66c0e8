"""Runs of equal labels on a GPU, in one launch: masks are copied to the host as runs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from streamseg.kernels.device_checks import check_tensor
from streamseg.kernels.find_runs.launch import find_runs_launch
from streamseg.kernels.find_runs.reference import Runs
from streamseg.kernels.triton_launch import start


@dataclass(frozen=True, eq=False)
class DeviceRuns:
    """``Runs`` as tensors on the device, in any order."""

    start: Tensor
    """int32 [H * W], the first ``count`` of them."""
    label: Tensor
    """uint16 [H * W], the first ``count`` of them."""
    count: Tensor
    """int32 [1]."""

    def on_host(self) -> Runs:
        """Wait for the GPU, and copy and sort the runs."""
        count = int(self.count)
        start = self.start[:count].cpu().numpy().astype("int64")
        order = start.argsort()
        return Runs(start[order], self.label[:count].cpu().numpy()[order])


def find_runs(label_map: Tensor) -> DeviceRuns:
    """Run ``streamseg.kernels.find_runs`` on a GPU; return at once.

    Args:
        label_map: uint16 [H, W], of fewer than 2^31 pixels.

    Raises:
        InputError: another shape or dtype, or empty.
    """
    check_tensor("label_map", label_map, torch.uint16, ("H", "W"))
    height, width = label_map.shape
    pixels, device = height * width, label_map.device
    runs = DeviceRuns(
        torch.empty(pixels, dtype=torch.int32, device=device),
        torch.empty(pixels, dtype=torch.uint16, device=device),
        torch.zeros(1, dtype=torch.int32, device=device),
    )
    start(
        find_runs_launch(height, width),
        label_map=label_map.contiguous(),
        start=runs.start,
        label=runs.label,
        count=runs.count,
    )
    return runs

"""Start a Triton kernel on tensors."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

from torch import Tensor

from streamseg.kernels.launch import Launch

FOLDERS: Final = {"relabel": "list_instances", "barrier": "group_pixels"}
"""Folders of the kernels that are not named after their folder."""


def start(launch: Launch, **pointers: Tensor) -> None:
    """Start a kernel in the current stream and return at once.

    Args:
        launch: of the kernel.
        **pointers: a tensor for each pointer argument.
    """
    on_gpu = next(iter(pointers.values())).is_cuda
    # Triton's interpreter has no cooperative launches: it runs one program after another
    options = {"launch_cooperative_grid": True} if launch.cooperative and on_gpu else {}
    kernel_of(launch.kernel)[launch.grid](
        **pointers, **launch.scalars, **launch.constants, num_warps=launch.warps, **options
    )


def kernel_of(name: str) -> Any:
    """Import a kernel's Triton function.

    Args:
        name: ``Launch.kernel``.
    """
    folder = FOLDERS.get(name, name)
    return getattr(import_module(f"streamseg.kernels.{folder}.triton_kernel"), f"{name}_kernel")

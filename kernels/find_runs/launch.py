"""Arrays, grid and constants of a launch of ``find_runs``."""

from __future__ import annotations

from typing import Final

from streamseg.kernels.launch import Launch, cdiv

POINTERS: Final = {
    "label_map": "u16",
    "start": "i32",
    "label": "u16",
    "count": "i32",
}


def find_runs_launch(height: int, width: int) -> Launch:
    """Make the launch for a label map [H, W]."""
    block = 1024
    return Launch(
        "find_runs",
        (cdiv(height * width, block), 1),
        POINTERS,
        {"height": height, "width": width},
        {"BLOCK": block},
    )

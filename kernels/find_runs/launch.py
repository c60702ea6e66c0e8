"""How ``find_runs`` is started."""

from __future__ import annotations

from streamseg.kernels.launch import Launch, cdiv


def find_runs_launch(height: int, width: int) -> Launch:
    """Start ``find_runs``."""
    block = 1024
    return Launch(
        "find_runs",
        (cdiv(height * width, block), 1),
        {"height": height, "width": width},
        {"BLOCK": block},
    )

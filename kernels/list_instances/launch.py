"""How ``list_instances`` and ``relabel`` are started."""

from __future__ import annotations

from streamseg.kernels.launch import Launch, cdiv, power_of_two, rounded


def list_instances_launch(
    dims: int, capacity: int, *, height: int, width: int, least_area_px: int
) -> Launch:
    """Start ``list_instances``: a program for each row of the list."""
    return Launch(
        "list_instances",
        (capacity, 1),
        {"height": height, "width": width, "least_area_px": least_area_px, "capacity": capacity},
        {"D": dims, "ROUNDED_D": rounded(dims), "SEEDS_ROUNDED": power_of_two(capacity)},
        warps=1,
    )


def relabel_launch(frame_pixels: int) -> Launch:
    """Start ``relabel``."""
    block = 1024
    return Launch(
        "relabel", (cdiv(frame_pixels, block), 1), {"frame_pixels": frame_pixels}, {"BLOCK": block}
    )

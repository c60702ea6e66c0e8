"""Arrays, grids and constants of the launches of ``list_instances`` and ``relabel``."""

from __future__ import annotations

from typing import Final

from streamseg.kernels.launch import NETWORK, Launch, cdiv, power_of_two, rounded

LIST_INSTANCES_POINTERS: Final = {
    "embeddings": NETWORK,
    "seediness": "fp32",
    "tau_index": "u8",
    "class_id": "u16",
    "chosen_index": "i32",
    "chosen_count": "i32",
    "area_px": "i32",
    "reach": "i32",
    "embedding_sum": "fp32",
    "members": "i32",
    "new_label": "u16",
    "table": "i32",
    "score": "fp32",
    "embedding": "fp32",
    "count": "i32",
}
RELABEL_POINTERS: Final = {
    "label_map": "u16",
    "new_label": "u16",
    "chosen_count": "i32",
    "count": "i32",
}


def list_instances_launch(
    dims: int, capacity: int, *, height: int, width: int, least_area_px: int
) -> Launch:
    """Make the launch of ``list_instances``: one program per row of the list."""
    return Launch(
        "list_instances",
        (capacity, 1),
        LIST_INSTANCES_POINTERS,
        {"height": height, "width": width, "least_area_px": least_area_px, "capacity": capacity},
        {"D": dims, "ROUNDED_D": rounded(dims), "SEEDS_ROUNDED": power_of_two(capacity)},
        warps=1,
    )


def relabel_launch(frame_pixels: int) -> Launch:
    """Make the launch of ``relabel``."""
    block = 1024
    return Launch(
        "relabel",
        (cdiv(frame_pixels, block), 1),
        RELABEL_POINTERS,
        {"frame_pixels": frame_pixels},
        {"BLOCK": block},
    )

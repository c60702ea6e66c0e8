"""Arrays, grid and constants of a launch of ``label_pixels``."""

from __future__ import annotations

from typing import Final

from streamseg.kernels.launch import NETWORK, Launch, cdiv, power_of_two, rounded

POINTERS: Final = {
    "embeddings": NETWORK,
    "chosen_index": "i32",
    "chosen_radius": "fp32",
    "chosen_count": "i32",
    "label_map": "u16",
    "area_px": "i32",
    "reach": "i32",
    "embedding_sum": "fp32",
    "members": "i32",
}


def label_pixels_launch(
    map_shape: tuple[int, int], dims: int, capacity: int, *, height: int, width: int
) -> Launch:
    """Make the launch: one program per frame row and 16 map columns."""
    map_height, map_width = map_shape
    # 16 is the smallest side of a product on tensor cores
    cells = chunk = 16
    columns = power_of_two(cdiv(width, map_width))
    # a thread then loads 16 bytes of a program's half-precision embeddings at once; large frames
    # need more, since registers hold the margins at all columns of a cell
    warps = max(1, min(4, cells * dims // (8 * 32)), min(32, columns // 2))
    return Launch(
        "label_pixels",
        (height, cdiv(map_width + 1, cells)),
        POINTERS,
        {
            "map_height": map_height,
            "map_width": map_width,
            "height": height,
            "width": width,
            "capacity": capacity,
        },
        {
            "D": dims,
            "ROUNDED_D": rounded(dims),
            "CELLS": cells,
            "COLUMNS": columns,
            "CHUNK": chunk,
        },
        warps=warps,
    )

"""How ``label_pixels`` is started."""

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
    """Start ``label_pixels``: a program for a frame row of 16 map columns."""
    map_height, map_width = map_shape
    # 16: the smallest side that a tensor core multiplies
    cells = chunk = 16
    columns = power_of_two(cdiv(width, map_width))
    # so many that a thread loads 16 bytes of a program's half-precision embeddings at once; in
    # large frames more, since margins at all columns of a cell are kept in registers
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

"""How ``label_pixels`` is started."""

from __future__ import annotations

from streamseg.kernels.launch import Launch, cdiv, power_of_two, rounded


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

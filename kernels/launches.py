"""How each kernel is started: grid, warps, whole numbers and constants, from shapes alone.

Pure Python. The Triton ops start their kernels with it; so do the table of compiled kernels, the
files made for vehicles, and the vehicle itself, which has neither torch nor Triton.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

LARGEST_CHOICE = 32768
"""Pixels whose being taken ``choose_seeds`` keeps in registers: 32 a thread."""

Scalar: TypeAlias = int | float


@dataclass(frozen=True)
class Launch:
    """One start of a kernel: everything but where its arrays lie."""

    kernel: str
    """A key of ``pointers.POINTERS``."""
    grid: tuple[int, int]
    scalars: Mapping[str, Scalar]
    """In the order of its arguments, after the pointers."""
    constants: Mapping[str, int | bool]
    """Compiled in."""
    warps: int = field(default=4, kw_only=True)
    cooperative: bool = field(default=False, kw_only=True)
    """All programs must run at the same time."""


@dataclass(frozen=True)
class Plan:
    """How ``group_pixels`` spreads the pixels over programs."""

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
        dims: D.
        bytes_per_number: of an embedding.
        most_programs: that run at the same time.
    """
    block = max(16, min(512, 256 * 64 * 2 // (rounded(dims) * bytes_per_number)))
    programs = cdiv(pixels, block)
    if programs <= most_programs:
        return Plan(programs, block, 4, resident=True)
    return Plan(most_programs, block, 4, resident=False)


def most_programs(multiprocessors: int) -> int:
    """How many programs of 128 threads with 255 registers each a device holds at once.

    They take half of the registers of a multiprocessor, 65536 from sm_75 to sm_120.
    """
    return 2 * multiprocessors


def decode_scores(
    thresholds: int, channels: int, pixels: int, strides: tuple[int, int, int]
) -> Launch:
    """Start ``decode_scores`` on logits [T, C+1, N] of any three strides, in numbers."""
    block = 128  # pixels of a program, one a thread
    names = ("stride_tau", "stride_class", "stride_pixel")
    return Launch(
        "decode_scores",
        (cdiv(pixels, block), 1),
        {"pixels": pixels, **dict(zip(names, strides, strict=True))},
        {
            "THRESHOLDS": thresholds,
            "CHANNELS": channels,
            "CHANNELS_ROUNDED": power_of_two(channels),
            "BLOCK": block,
        },
    )


def group_pixels(
    chosen: Plan,
    pixels: int,
    dims: int,
    *,
    max_seeds: int,
    alpha: float,
    min_seediness: float,
    exclude_claimed: bool,
) -> Launch:
    """Start ``group_pixels`` as planned."""
    return Launch(
        "group_pixels",
        (chosen.programs, 1),
        {
            "pixels": pixels,
            "max_seeds": max_seeds,
            "alpha": alpha,
            "min_seediness": min_seediness,
        },
        {
            "D": dims,
            "ROUNDED_D": rounded(dims),
            "BLOCK": chosen.block,
            "RESIDENT": chosen.resident,
            "EXCLUDE_CLAIMED": exclude_claimed,
        },
        warps=chosen.warps,
        cooperative=True,
    )


def choose_seeds(pixels: int, max_seeds: int, *, min_visible: float) -> Launch:
    """Start ``choose_seeds``: one program, since each decision waits for the one before."""
    resident = pixels <= LARGEST_CHOICE
    block = power_of_two(pixels) if resident else min(8192, LARGEST_CHOICE)
    return Launch(
        "choose_seeds",
        (1, 1),
        {"pixels": pixels, "max_seeds": max_seeds, "min_visible": min_visible},
        {
            "BLOCK": block,
            "RESIDENT": resident,
            "SEEDS_ROUNDED": power_of_two(max_seeds),
        },
        warps=max(1, min(32, block // 512)),
    )


def label_pixels(
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


def list_instances(
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


def relabel(frame_pixels: int) -> Launch:
    """Start ``relabel``."""
    block = 1024
    return Launch(
        "relabel", (cdiv(frame_pixels, block), 1), {"frame_pixels": frame_pixels}, {"BLOCK": block}
    )


def find_runs(height: int, width: int) -> Launch:
    """Start ``find_runs``."""
    block = 1024
    return Launch(
        "find_runs",
        (cdiv(height * width, block), 1),
        {"height": height, "width": width},
        {"BLOCK": block},
    )


def cdiv(number: int, divisor: int) -> int:
    """Quotient, rounded up."""
    return -(-number // divisor)


def power_of_two(number: int) -> int:
    """The smallest power of two that is not below ``number``."""
    return 1 << (number - 1).bit_length()


def rounded(dims: int) -> int:
    """Dimensions of a tile of embeddings: what a tensor core multiplies, a power of two."""
    return max(16, power_of_two(dims))

"""How ``group_pixels`` divides pixels between programs; arrays and constants of its launch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from streamseg.kernels.launch import NETWORK, Launch, cdiv, rounded

POINTERS: Final = {
    "embeddings": NETWORK,
    "seediness": "fp32",
    "tau_index": "u8",
    "squared_radius": "fp32",
    "nearest_distance": "fp32",
    "keys": "i64",
    "arrivals": "i32",
    "seed_index": "i32",
    "seed_count": "i32",
    "masks": "u8",
}


@dataclass(frozen=True)
class Plan:
    """How the pixels are divided between programs."""

    programs: int
    block: int
    warps: int
    resident: bool
    """Each program has one tile and keeps its embeddings in registers."""


def plan(pixels: int, dims: int, bytes_per_number: int, most_programs: int) -> Plan:
    """Divide pixels between programs.

    A thread keeps two pixels of 64 half-precision numbers in registers without spilling, so 128
    threads keep 256 pixels.

    Args:
        pixels: N.
        dims: D.
        bytes_per_number: of an embedding.
        most_programs: how many programs can run at the same time.
    """
    block = max(16, min(512, 256 * 64 * 2 // (rounded(dims) * bytes_per_number)))
    programs = cdiv(pixels, block)
    if programs <= most_programs:
        return Plan(programs, block, 4, resident=True)
    return Plan(most_programs, block, 4, resident=False)


def most_programs(multiprocessors: int) -> int:
    """Count the programs of 128 threads with 255 registers each that a device runs at once.

    A multiprocessor has 65536 registers, from sm_75 to sm_120: enough for two such programs.
    """
    return 2 * multiprocessors


def group_pixels_launch(
    chosen: Plan,
    pixels: int,
    dims: int,
    *,
    max_seeds: int,
    alpha: float,
    min_seediness: float,
    exclude_claimed: bool,
) -> Launch:
    """Make the launch of a plan."""
    return Launch(
        "group_pixels",
        (chosen.programs, 1),
        POINTERS,
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


def barrier_launch(programs: int, rounds: int) -> Launch:
    """Make the launch of ``barrier``: rounds of ``group_pixels`` without work, for benchmarks."""
    return Launch(
        "barrier",
        (programs, 1),
        {name: POINTERS[name] for name in ("keys", "arrivals")},
        {"rounds": rounds},
        {},
        cooperative=True,
    )

"""Arrays, grid and constants of a launch of ``choose_seeds``."""

from __future__ import annotations

from typing import Final

from streamseg.kernels.launch import Launch, power_of_two

POINTERS: Final = {
    "seed_index": "i32",
    "seed_count": "i32",
    "masks": "u8",
    "seediness": "fp32",
    "tau_index": "u8",
    "squared_radius": "fp32",
    "order": "i32",
    "taken": "u8",
    "chosen_index": "i32",
    "chosen_radius": "fp32",
    "chosen_count": "i32",
}

LARGEST_CHOICE = 32768
"""Most pixels for which registers can hold which ones are taken: 32 pixels per thread."""


def choose_seeds_launch(pixels: int, max_seeds: int, *, min_visible: float) -> Launch:
    """Make the launch: one program, since each decision depends on the one before."""
    resident = pixels <= LARGEST_CHOICE
    block = power_of_two(pixels) if resident else min(8192, LARGEST_CHOICE)
    return Launch(
        "choose_seeds",
        (1, 1),
        POINTERS,
        {"pixels": pixels, "max_seeds": max_seeds, "min_visible": min_visible},
        {
            "BLOCK": block,
            "RESIDENT": resident,
            "SEEDS_ROUNDED": power_of_two(max_seeds),
        },
        warps=max(1, min(32, block // 512)),
    )

"""How ``choose_seeds`` is started."""

from __future__ import annotations

from streamseg.kernels.launch import Launch, power_of_two

LARGEST_CHOICE = 32768
"""Pixels whose being taken ``choose_seeds`` keeps in registers: 32 a thread."""


def choose_seeds_launch(pixels: int, max_seeds: int, *, min_visible: float) -> Launch:
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

"""Target machines of a release."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from streamseg.errors import ConfigError


@dataclass(frozen=True)
class Target:
    """A kind of machine."""

    architectures: tuple[int, ...]
    """Compute capabilities times ten; kernels are compiled for each."""
    cuda: tuple[int, int]
    """The oldest CUDA of such a machine, which may refuse kernels from a newer assembler."""
    description: str
    """Description for display."""


TARGETS: Final = {
    "orin": Target((87,), (12, 6), "Jetson Orin, JetPack 6 and later"),
    "thor": Target((110,), (13, 0), "Jetson and DRIVE Thor with CUDA 13"),
    "rtx": Target((75, 86, 89, 120), (12, 8), "GeForce and professional RTX, 20 to 50 series"),
    "h200": Target((90,), (12, 4), "H100, H200"),
}


def targets_of(names: list[str]) -> dict[str, Target]:
    """Look up targets by name.

    Raises:
        ConfigError: one is unknown.
    """
    for name in names:
        if name not in TARGETS:
            known = ", ".join(f"{key} ({target.description})" for key, target in TARGETS.items())
            raise ConfigError(f"unknown target {name!r}; known are {known}")
    return {name: TARGETS[name] for name in dict.fromkeys(names)}

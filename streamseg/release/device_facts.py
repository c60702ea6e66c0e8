"""Properties of a GPU that engines and kernels depend on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DeviceFacts:
    """Properties of a GPU and its driver."""

    name: str
    compute_capability: tuple[int, int]
    """(8, 7) for an Orin."""
    multiprocessors: int
    driver_version: tuple[int, int]
    """The newest CUDA that the driver supports: (12, 6)."""
    memory_bytes: int
    shared_bytes_per_block: int
    """Most dynamic shared memory of a block, after opting in."""

    @property
    def architecture(self) -> int:
        """The compute capability as in the name of a target: 87 for sm_87."""
        major, minor = self.compute_capability
        return 10 * major + minor

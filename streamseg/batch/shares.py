"""CPUs and GPUs that Ray reserves for each worker."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from streamseg.errors import ConfigError

GPU_RUNTIMES: Final = ("cuda", "tensorrt")


@dataclass(frozen=True)
class Shares:
    """Cores and GPUs of a worker, which Ray reserves for it.

    Raises:
        ConfigError: a share is out of range.
    """

    cpus: float = 1.0
    gpus: float = 0.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not 0 < self.cpus < math.inf:
            raise ConfigError(f"cpus must be a finite number above 0, got {self.cpus:g}")
        if not 0 <= self.gpus < math.inf:
            raise ConfigError(f"gpus must be a finite number, 0 or more, got {self.gpus:g}")
        if self.gpus > 1 and self.gpus != int(self.gpus):
            raise ConfigError(f"gpus above 1 must be a whole number, got {self.gpus:g}")

    @classmethod
    def of(cls, runtime: str, cpus: float, gpus: float | None) -> Shares:
        """Make the shares; without ``gpus``, 1 GPU for a runtime that needs one, else 0."""
        needs_gpu = runtime in GPU_RUNTIMES
        return cls(cpus, (1.0 if needs_gpu else 0.0) if gpus is None else gpus)

    @property
    def threads(self) -> int:
        """CPU threads for the network, and for decoding."""
        return max(1, int(self.cpus))

    def fit_into(self, cpus: float, gpus: float) -> int:
        """Count the workers that fit into these cores and GPUs.

        At least 1, as a cluster may grow.

        >>> Shares(cpus=2, gpus=0.5).fit_into(16, 2)
        4
        """
        room = int(cpus / self.cpus + 1e-9)
        if self.gpus:
            room = min(room, int(gpus / self.gpus + 1e-9))
        return max(1, room)

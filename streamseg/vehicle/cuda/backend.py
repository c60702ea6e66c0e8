"""The interface to the CUDA driver that ``Device`` needs.

All calls use the current context of the calling thread; ``Device`` makes the context current,
manages lifetimes and checks arguments. A call that the driver refuses raises ``DeviceError``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from streamseg.release.device_facts import DeviceFacts
from streamseg.vehicle.cuda.driver import Driver


@dataclass(frozen=True, eq=False)
class Owned:
    """A resource that the driver has created."""

    handle: int
    """A CUdeviceptr, a host address, a CUstream, a CUevent; 0 if the package hides it."""
    native: Any
    """The package's own object for it."""
    destroy: Callable[[], None]
    """Free it; called once."""


class Backend(Protocol):
    """A retained primary context and the operations in it."""

    description: str
    """The package and its version."""
    facts: DeviceFacts
    driver: Driver

    def push(self) -> None:
        """Make the context the current one of this thread."""
        ...

    def pop(self) -> None:
        """Undo ``push``; a no-op after ``release``."""
        ...

    def release(self) -> None:
        """Pop and release the context; only ``pop`` may follow."""
        ...

    def synchronize(self) -> None:
        """Wait for all work in the context."""
        ...

    def allocate(self, size_bytes: int) -> Owned:
        """Allocate device memory."""
        ...

    def allocate_pinned(self, size_bytes: int) -> Owned:
        """Allocate pinned host memory; ``native`` is a uint8 array [size_bytes] of it."""
        ...

    def create_stream(self) -> Owned:
        """Create a stream that does not wait for the default stream."""
        ...

    def create_event(self, *, timing: bool) -> Owned:
        """Create an event."""
        ...

    def upload(self, pointer: int, array: NDArray[np.uint8], stream: Owned) -> None:
        """Start to copy host memory to the device."""
        ...

    def download(self, array: NDArray[np.uint8], pointer: int, stream: Owned) -> None:
        """Start to copy device memory to the host."""
        ...

    def zero(self, pointer: int, size_bytes: int, stream: Owned) -> None:
        """Start to fill device memory with zeros."""
        ...

    def wait(self, stream: Owned, event: Owned) -> None:
        """Make a stream wait for an event."""
        ...

    def synchronize_stream(self, stream: Owned) -> None:
        """Block until all work in a stream is done."""
        ...

    def record(self, event: Owned, stream: Owned) -> None:
        """Mark this point of a stream."""
        ...

    def synchronize_event(self, event: Owned) -> None:
        """Block until the point that an event marks."""
        ...

    def elapsed_ms(self, earlier: Owned, later: Owned) -> float:
        """Milliseconds between two events with timing that have passed."""
        ...

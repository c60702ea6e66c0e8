"""What a device lends: memory, streams and events, each with an end."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamseg.vehicle.cuda.backend import Owned
from streamseg.vehicle.cuda.lender import Lender, Resource


class DeviceBuffer(Resource):
    """Device memory.

    Attributes:
        pointer: its address, a multiple of 256. A slice of it is ``pointer`` plus an offset.
        size_bytes: as asked for.
    """

    def __init__(self, device: Lender, owned: Owned, size_bytes: int) -> None:
        """Made by ``Device.allocate``."""
        self.pointer = owned.handle
        self.size_bytes = size_bytes
        super().__init__(device, owned.destroy)


class PinnedArray(Resource):
    """Host memory that never moves, so that copies run beside everything else.

    Attributes:
        array: a numpy view of it. Neither it nor a view of it may be touched after ``release`` or
            ``Device.close``: the memory is gone.
    """

    def __init__(
        self, device: Lender, owned: Owned, shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> None:
        """Made by ``Device.pinned``."""
        count = int(np.prod(shape)) * dtype.itemsize
        self.array: NDArray[Any] = owned.native[:count].view(dtype).reshape(shape)
        super().__init__(device, owned.destroy)


class Stream(Resource):
    """A queue of work; what is in one runs in order, streams run beside each other.

    Attributes:
        handle: the CUstream, for TensorRT.
    """

    def __init__(self, device: Lender, owned: Owned) -> None:
        """Made by ``Device.stream``."""
        self.owned = owned
        self.handle = owned.handle
        super().__init__(device, owned.destroy)

    def wait(self, event: Event) -> None:
        """Let what comes next in this stream wait for an event; returns at once.

        Raises:
            DeviceError: the driver refuses.
        """
        self.device.usable(self, event).wait(self.owned, event.owned)

    def synchronize(self) -> None:
        """Wait here until all that is in this stream is done.

        Raises:
            DeviceError: the driver refuses, or something in the stream failed.
        """
        self.device.usable(self).synchronize_stream(self.owned)


class Event(Resource):
    """A point in a stream."""

    def __init__(self, device: Lender, owned: Owned) -> None:
        """Made by ``Device.event``."""
        self.owned = owned
        super().__init__(device, owned.destroy)

    def record(self, stream: Stream) -> None:
        """Mark what is in a stream so far; returns at once.

        Raises:
            DeviceError: the driver refuses.
        """
        self.device.usable(self, stream).record(self.owned, stream.owned)

    def synchronize(self) -> None:
        """Wait here until the marked point has passed; at once if none was marked.

        Raises:
            DeviceError: the driver refuses, or something in the stream failed.
        """
        self.device.usable(self).synchronize_event(self.owned)

    def milliseconds_until(self, later: Event) -> float:
        """Time between two points that have passed, both of events with ``timing=True``.

        Raises:
            DeviceError: one has not passed yet, or has no timing.
        """
        return self.device.usable(self, later).elapsed_ms(self.owned, later.owned)

"""A CUDA device without torch: memory, streams, events, kernels compiled ahead of time, graphs.

::

    with open_device() as device, device.current():
        stream = device.stream()
        image = device.pinned((3, 480, 640), np.uint8)
        pixels = device.allocate(image.array.nbytes)
        kernel = device.load(cubin).function("decode_kernel", arguments, shared_bytes=2048)
        packed = kernel.signature.pack(pixels.pointer, 480 * 640, 0.5)

        device.upload(image, pixels, stream)
        kernel.launch((1200, 1, 1), packed, stream)
        stream.synchronize()

All resources have ``release``; ``Device.close`` releases the remaining ones, newest first. Only
``current``, ``release``, ``close`` and plain attributes work outside ``with device.current()``:
everything else raises ``DeviceError`` there, as does using a released resource. The context is the
primary one, which TensorRT and torch share.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from streamseg.errors import InputError
from streamseg.vehicle.cuda.backend import Backend
from streamseg.vehicle.cuda.modules import Graph, Module
from streamseg.vehicle.cuda.owner import ResourceOwner
from streamseg.vehicle.cuda.resources import DeviceBuffer, Event, PinnedArray, Stream


class Device(ResourceOwner):
    """The first CUDA device; ``open_device`` makes one.

    Several threads may use it. ``close`` must be the last call of all of them.

    Attributes:
        facts: name, compute capability and limits.
        description: package for the driver, CUDA version and GPU, for display.
    """

    def __init__(self, backend: Backend) -> None:
        """Own a backend, which ``close`` releases."""
        super().__init__(backend)
        cuda = ".".join(map(str, self.facts.driver_version))
        self.description = f"{backend.description}, CUDA {cuda}, {self.facts.name}"

    def allocate(self, size_bytes: int) -> DeviceBuffer:
        """Allocate device memory, its content undefined.

        Args:
            size_bytes: 0 gives a buffer too, so that a kernel has something to point at.

        Raises:
            DeviceError: no memory left.
            InputError: a negative size.
        """
        if size_bytes < 0:
            raise InputError(f"size_bytes must be 0 or more, got {size_bytes}")
        return DeviceBuffer(self, self.usable().allocate(max(1, size_bytes)), size_bytes)

    def pinned(self, shape: tuple[int, ...], dtype: DTypeLike) -> PinnedArray:
        """Allocate pinned host memory, its content undefined.

        Raises:
            DeviceError: no memory left.
        """
        kind = np.dtype(dtype)
        size_bytes = int(np.prod(shape)) * kind.itemsize
        return PinnedArray(self, self.usable().allocate_pinned(max(1, size_bytes)), shape, kind)

    def constant(self, array: NDArray[Any]) -> DeviceBuffer:
        """Copy an array to the device and wait for the copy.

        Raises:
            DeviceError: no memory left, or the driver refuses.
        """
        staged = self.pinned(array.shape, array.dtype)
        stream = self.stream()
        try:
            staged.array[...] = array
            buffer = self.allocate(array.nbytes)
            self.upload(staged, buffer, stream)
            stream.synchronize()
        finally:
            stream.release()
            staged.release()
        return buffer

    def upload(self, source: PinnedArray, buffer: DeviceBuffer, stream: Stream) -> None:
        """Start to copy an array to the device; it must not change until the copy is done.

        Raises:
            DeviceError: the driver refuses.
            InputError: the buffer is smaller than the array.
        """
        array = self._fitting(source, buffer)
        self.usable(source, buffer, stream).upload(buffer.pointer, array, stream.owned)

    def download(self, buffer: DeviceBuffer, target: PinnedArray, stream: Stream) -> None:
        """Start to fill an array from the device; its content is undefined until that is done.

        Raises:
            DeviceError: the driver refuses.
            InputError: the buffer is smaller than the array.
        """
        array = self._fitting(target, buffer)
        self.usable(buffer, target, stream).download(array, buffer.pointer, stream.owned)

    def zero(self, buffer: DeviceBuffer, stream: Stream) -> None:
        """Start to fill a buffer with zeros.

        Raises:
            DeviceError: the driver refuses.
        """
        backend = self.usable(buffer, stream)
        if buffer.size_bytes:
            backend.zero(buffer.pointer, buffer.size_bytes, stream.owned)

    def stream(self) -> Stream:
        """Create a stream that does not wait for the default stream.

        Raises:
            DeviceError: the driver refuses.
        """
        return Stream(self, self.usable().create_stream())

    def event(self, *, timing: bool = False) -> Event:
        """Create an event.

        Args:
            timing: whether it records its time, which costs more.

        Raises:
            DeviceError: the driver refuses.
        """
        return Event(self, self.usable().create_event(timing=timing))

    def load(self, cubin: bytes) -> Module:
        """Load kernels that were compiled ahead of time.

        Raises:
            DeviceError: the driver refuses.
            ModelError: this is not a cubin, or one for another kind of GPU.
        """
        return Module(self, cubin)

    def capture(self, stream: Stream, work: Callable[[], object]) -> Graph:
        """Record the work that a function submits to a stream, without running it.

        Addresses, sizes and arguments are recorded too. Run the function once before, so that
        libraries are initialised: during recording nothing may be allocated or waited for, and
        other streams may only join through events.

        Args:
            stream: to record.
            work: submits work to it; an exception ends the recording.

        Raises:
            DeviceError: an operation cannot be recorded.
        """
        return Graph(self, stream, work)

    @staticmethod
    def _fitting(pinned: PinnedArray, buffer: DeviceBuffer) -> NDArray[np.uint8]:
        """View an array as bytes, after checking that a buffer is large enough."""
        array = pinned.array
        if array.nbytes > buffer.size_bytes:
            raise InputError(
                f"an array of {array.nbytes} bytes does not fit a buffer of {buffer.size_bytes}"
            )
        return array.reshape(-1).view(np.uint8)

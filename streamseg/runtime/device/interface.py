"""A CUDA device without torch: memory, streams, events, kernels compiled ahead of time, graphs.

::

    with open_device() as device, device.current():
        stream = device.stream()
        picture = device.pinned((3, 480, 640), np.uint8)
        pixels = device.allocate(picture.array.nbytes)
        kernel = device.load(cubin).function("decode_kernel", arguments, shared_bytes=2048)
        packed = kernel.signature.pack(pixels.pointer, 480 * 640, 0.5)

        device.upload(picture, pixels, stream)
        kernel.launch((1200, 1, 1), packed, stream)
        stream.synchronize()

Whatever is made here has ``release``; ``Device.close`` gives back all the rest, last made first.
Only ``current``, ``release``, ``close`` and what is known already work outside ``with
device.current()``: everything else raises ``DeviceError`` there, and so does the use of something
released. The context is the primary one, which TensorRT and torch share.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from streamseg.errors import DeviceError, InputError
from streamseg.runtime.device.backend import Backend
from streamseg.runtime.device.modules import Graph, Module
from streamseg.runtime.device.resources import (
    DeviceBuffer,
    Event,
    PinnedArray,
    Resource,
    Stream,
)


class Device:
    """The first CUDA device; ``open_device`` makes one.

    Several threads may use it. ``close`` must be the last call of all of them.

    Attributes:
        facts: name, compute capability and limits.
        description: package that speaks to the driver, CUDA version and GPU, for people.
    """

    def __init__(self, backend: Backend) -> None:
        """Take over a backend; it is released by ``close``."""
        self.facts = backend.facts
        cuda = ".".join(map(str, self.facts.driver_version))
        self.description = f"{backend.description}, CUDA {cuda}, {self.facts.name}"
        self._backend = backend
        self._resources: dict[Resource, None] = {}
        self._thread = threading.local()
        self._closed = False

    @contextmanager
    def current(self) -> Iterator[None]:
        """Make the device the current one of this thread; may be nested.

        Raises:
            DeviceError: the device is closed, or the driver refuses.
        """
        self._check_open()
        self._backend.push()
        self._thread.depth = self._depth + 1
        try:
            yield
        finally:
            self._thread.depth -= 1
            self._backend.pop()

    def allocate(self, size_bytes: int) -> DeviceBuffer:
        """Device memory, its content undefined.

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
        """Pinned host memory, its content undefined.

        Raises:
            DeviceError: no memory left.
        """
        kind = np.dtype(dtype)
        size_bytes = int(np.prod(shape)) * kind.itemsize
        return PinnedArray(self, self.usable().allocate_pinned(max(1, size_bytes)), shape, kind)

    def constant(self, array: NDArray[Any]) -> DeviceBuffer:
        """A copy of an array on the device; waits until it is there.

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
        """Start to copy an array to the device; it must stay as it is until that is done.

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
        """A stream that does not wait for the default stream.

        Raises:
            DeviceError: the driver refuses.
        """
        return Stream(self, self.usable().create_stream())

    def event(self, *, timing: bool = False) -> Event:
        """An event.

        Args:
            timing: it can tell times too, which makes it dearer.

        Raises:
            DeviceError: the driver refuses.
        """
        return Event(self, self.usable().create_event(timing=timing))

    def load(self, cubin: bytes) -> Module:
        """Load kernels that were compiled ahead of time.

        Raises:
            DeviceError: the driver refuses.
            ModelError: this is no cubin, or one for another kind of GPU.
        """
        return Module(self, cubin)

    def capture(self, stream: Stream, work: Callable[[], object]) -> Graph:
        """Record what a function puts into a stream, without running it.

        Addresses, sizes and arguments are recorded too. Run the function once before, so that
        libraries have made themselves ready: while it is recorded nothing may be allocated or
        waited for, and other streams may only join by events.

        Args:
            stream: to record.
            work: puts work into it; what it raises ends the recording.

        Raises:
            DeviceError: something was done that cannot be recorded.
        """
        return Graph(self, stream, work)

    def live(self) -> dict[str, int]:
        """How many of each kind of resource are not given back yet: ``{"Stream": 3}``."""
        return dict(Counter(type(resource).__name__ for resource in self._resources))

    def close(self) -> None:
        """Wait for the device, give back everything and let go of the context.

        Everything is given back even if the driver refuses some of it. Closing again does nothing.

        Raises:
            DeviceError: the first refusal.
        """
        if self._closed:
            return
        refusals = []
        self._backend.push()
        self._closed = True
        destroys = [resource.destroy for resource in reversed(self._resources)]
        self._resources.clear()
        for step in (self._backend.synchronize, *destroys, self._backend.release):
            try:
                step()
            except DeviceError as error:
                refusals.append(error)
        if refusals:
            raise refusals[0]

    def __enter__(self) -> Device:
        """Does nothing; see ``current``."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close; an error under way is not hidden by one of closing."""
        try:
            self.close()
        except DeviceError:
            if error is None:
                raise

    def adopt(self, resource: Resource) -> None:
        """Give a resource back at ``close``; called by the resource itself."""
        self._resources[resource] = None

    def disown(self, resource: Resource) -> None:
        """Give a resource back now, if that has not been done."""
        if resource in self._resources:
            with self.current():
                del self._resources[resource]
                resource.destroy()

    def usable(self, *resources: Resource) -> Backend:
        """The backend, after a look at whether it and these may be used here.

        Raises:
            DeviceError: the device is closed or not current in this thread, or a resource has been
                given back.
        """
        self._check_open()
        if not self._depth:
            raise DeviceError(
                "the device is not current in this thread: work inside `with device.current():`"
            )
        for resource in resources:
            if resource not in self._resources:
                raise DeviceError(
                    f"this {type(resource).__name__} has been released or is of another device"
                )
        return self._backend

    @property
    def _depth(self) -> int:
        return getattr(self._thread, "depth", 0)

    def _check_open(self) -> None:
        if self._closed:
            raise DeviceError("the device is closed")

    @staticmethod
    def _fitting(pinned: PinnedArray, buffer: DeviceBuffer) -> NDArray[np.uint8]:
        """The bytes of an array, if a buffer has room for them."""
        array = pinned.array
        if array.nbytes > buffer.size_bytes:
            raise InputError(
                f"an array of {array.nbytes} bytes does not fit a buffer of {buffer.size_bytes}"
            )
        return array.reshape(-1).view(np.uint8)

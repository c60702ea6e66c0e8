"""The driver through pycuda."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from streamseg.errors import DeviceError, MissingExtraError
from streamseg.release.device_facts import DeviceFacts
from streamseg.vehicle.cuda.backend import Backend, Owned
from streamseg.vehicle.cuda.driver import Driver

FIRST_DEVICE = 0
NON_BLOCKING_STREAM = 1
"""CU_STREAM_NON_BLOCKING, which pycuda does not define."""

Result = TypeVar("Result")


def open_pycuda() -> Backend:
    """Retain the primary context of the first device, and leave it off the stack.

    Raises:
        DeviceError: there is no driver or no GPU, or pycuda does not fit the driver.
        MissingExtraError: pycuda is not installed.
    """
    return _PycudaBackend()


class _PycudaBackend:
    """``Backend`` on pycuda."""

    def __init__(self) -> None:
        try:
            import pycuda
        except ImportError:
            raise MissingExtraError("pycuda", "vehicle") from None
        self.driver = Driver()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the error below says the same
                import pycuda.driver as cuda
        except ImportError as error:
            raise DeviceError(
                f"pycuda does not fit this CUDA driver; build it again on this machine: {error}"
            ) from None
        self._cuda: Any = cuda
        self.description = f"pycuda {pycuda.VERSION_TEXT}"
        self._call(cuda.init)
        device = self._call(cuda.Device, FIRST_DEVICE)
        attribute = cuda.device_attribute
        version = self._call(cuda.get_driver_version)
        self.facts = DeviceFacts(
            name=self._call(device.name),
            compute_capability=self._call(device.compute_capability),
            multiprocessors=self._call(device.get_attribute, attribute.MULTIPROCESSOR_COUNT),
            driver_version=(version // 1000, version % 1000 // 10),
            memory_bytes=self._call(device.total_memory),
            shared_bytes_per_block=self._call(
                device.get_attribute, attribute.MAX_SHARED_MEMORY_PER_BLOCK_OPTIN
            ),
        )
        self._context = self._call(device.retain_primary_context)

    def push(self) -> None:
        self._call(self._context.push)

    def pop(self) -> None:
        if self._context:
            self._call(self._cuda.Context.pop)

    def release(self) -> None:
        # pycuda clears its own stack here but leaves the context on the driver's stack; retained
        # once more, the context still exists when it is popped
        self.driver.create("cuDevicePrimaryCtxRetain", FIRST_DEVICE)
        context, self._context = self._context, None
        self._call(context.detach)
        self.driver.create("cuCtxPopCurrent_v2")
        self.driver.call("cuDevicePrimaryCtxRelease_v2", FIRST_DEVICE)

    def synchronize(self) -> None:
        self._call(self._cuda.Context.synchronize)

    def allocate(self, size_bytes: int) -> Owned:
        memory = self._call(self._cuda.mem_alloc, size_bytes)
        return Owned(int(memory), memory, lambda: self._call(memory.free))

    def allocate_pinned(self, size_bytes: int) -> Owned:
        array = self._call(self._cuda.pagelocked_empty, size_bytes, np.uint8)
        return Owned(array.ctypes.data, array, lambda: self._call(array.base.free))

    def create_stream(self) -> Owned:
        stream = self._call(self._cuda.Stream, NON_BLOCKING_STREAM)
        return _droppable(stream.handle, stream)

    def create_event(self, *, timing: bool) -> Owned:
        flags = self._cuda.event_flags
        return _droppable(
            0, self._call(self._cuda.Event, flags.DEFAULT if timing else flags.DISABLE_TIMING)
        )

    def upload(self, pointer: int, array: NDArray[np.uint8], stream: Owned) -> None:
        self._call(self._cuda.memcpy_htod_async, pointer, array, stream.native[0])

    def download(self, array: NDArray[np.uint8], pointer: int, stream: Owned) -> None:
        self._call(self._cuda.memcpy_dtoh_async, array, pointer, stream.native[0])

    def zero(self, pointer: int, size_bytes: int, stream: Owned) -> None:
        self._call(self._cuda.memset_d8_async, pointer, 0, size_bytes, stream.native[0])

    def wait(self, stream: Owned, event: Owned) -> None:
        self._call(stream.native[0].wait_for_event, event.native[0])

    def synchronize_stream(self, stream: Owned) -> None:
        self._call(stream.native[0].synchronize)

    def record(self, event: Owned, stream: Owned) -> None:
        self._call(event.native[0].record, stream.native[0])

    def synchronize_event(self, event: Owned) -> None:
        self._call(event.native[0].synchronize)

    def elapsed_ms(self, earlier: Owned, later: Owned) -> float:
        return float(self._call(later.native[0].time_since, earlier.native[0]))

    def _call(self, function: Callable[..., Result], *arguments: Any) -> Result:
        try:
            return function(*arguments)
        except self._cuda.Error as error:
            # pycuda gives only a text: "cuMemAlloc failed: out of memory - and more"
            name, _, text = str(error).partition(" failed: ")
            raise self.driver.error_of_text(name, text.partition(" - ")[0]) from None


def _droppable(handle: int, native: Any) -> Owned:
    """Wrap a stream or event, which pycuda destroys with its last reference."""
    holder = [native]
    return Owned(handle, holder, holder.clear)

"""The driver through cuda-bindings, NVIDIA's package, for systems that cannot build pycuda."""

from __future__ import annotations

import ctypes
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamseg.errors import MissingExtraError
from streamseg.release.device_facts import DeviceFacts
from streamseg.vehicle.cuda.backend import Backend, Owned
from streamseg.vehicle.cuda.driver import Driver

FIRST_DEVICE = 0
NAME_BYTES = 256


def open_bindings() -> Backend:
    """Retain the primary context of the first device, and leave it off the stack.

    Raises:
        DeviceError: there is no driver or no GPU.
        MissingExtraError: cuda-bindings is not installed.
    """
    return _BindingsBackend()


class _BindingsBackend:
    """``Backend`` on cuda-bindings."""

    def __init__(self) -> None:
        try:
            from cuda.bindings import driver as cuda
        except ImportError:
            raise MissingExtraError("cuda-bindings", "vehicle-bindings") from None
        self.driver = Driver()
        self._cuda: Any = cuda
        self.description = f"cuda-bindings {version('cuda-bindings')}"
        self._call("cuInit", 0)
        self._device = self._call("cuDeviceGet", FIRST_DEVICE)
        name = self._call("cuDeviceGetName", NAME_BYTES, self._device)
        number = self._call("cuDriverGetVersion")
        self.facts = DeviceFacts(
            name=name.partition(b"\0")[0].decode(),
            compute_capability=(
                self._attribute("COMPUTE_CAPABILITY_MAJOR"),
                self._attribute("COMPUTE_CAPABILITY_MINOR"),
            ),
            multiprocessors=self._attribute("MULTIPROCESSOR_COUNT"),
            driver_version=(number // 1000, number % 1000 // 10),
            memory_bytes=self._call("cuDeviceTotalMem", self._device),
            shared_bytes_per_block=self._attribute("MAX_SHARED_MEMORY_PER_BLOCK_OPTIN"),
        )
        self._context = self._call("cuDevicePrimaryCtxRetain", self._device)

    def push(self) -> None:
        self._call("cuCtxPushCurrent", self._context)

    def pop(self) -> None:
        self._call("cuCtxPopCurrent")

    def release(self) -> None:
        self.pop()
        self._call("cuDevicePrimaryCtxRelease", self._device)

    def synchronize(self) -> None:
        self._call("cuCtxSynchronize")

    def allocate(self, size_bytes: int) -> Owned:
        memory = self._call("cuMemAlloc", size_bytes)
        return Owned(int(memory), memory, partial(self._call, "cuMemFree", memory))

    def allocate_pinned(self, size_bytes: int) -> Owned:
        address = int(self._call("cuMemHostAlloc", size_bytes, 0))
        array = np.ctypeslib.as_array((ctypes.c_uint8 * size_bytes).from_address(address))
        return Owned(address, array, partial(self._call, "cuMemFreeHost", address))

    def create_stream(self) -> Owned:
        flags = self._cuda.CUstream_flags.CU_STREAM_NON_BLOCKING
        stream = self._call("cuStreamCreate", flags)
        return Owned(int(stream), stream, partial(self._call, "cuStreamDestroy", stream))

    def create_event(self, *, timing: bool) -> Owned:
        flags = self._cuda.CUevent_flags
        flag = flags.CU_EVENT_DEFAULT if timing else flags.CU_EVENT_DISABLE_TIMING
        event = self._call("cuEventCreate", flag)
        return Owned(int(event), event, partial(self._call, "cuEventDestroy", event))

    def upload(self, pointer: int, array: NDArray[np.uint8], stream: Owned) -> None:
        source = array.ctypes.data
        self._call("cuMemcpyHtoDAsync", pointer, source, array.nbytes, stream.native)

    def download(self, array: NDArray[np.uint8], pointer: int, stream: Owned) -> None:
        target = array.ctypes.data
        self._call("cuMemcpyDtoHAsync", target, pointer, array.nbytes, stream.native)

    def zero(self, pointer: int, size_bytes: int, stream: Owned) -> None:
        self._call("cuMemsetD8Async", pointer, 0, size_bytes, stream.native)

    def wait(self, stream: Owned, event: Owned) -> None:
        self._call("cuStreamWaitEvent", stream.native, event.native, 0)

    def synchronize_stream(self, stream: Owned) -> None:
        self._call("cuStreamSynchronize", stream.native)

    def record(self, event: Owned, stream: Owned) -> None:
        self._call("cuEventRecord", event.native, stream.native)

    def synchronize_event(self, event: Owned) -> None:
        self._call("cuEventSynchronize", event.native)

    def elapsed_ms(self, earlier: Owned, later: Owned) -> float:
        return float(self._call("cuEventElapsedTime", earlier.native, later.native))

    def _attribute(self, name: str) -> int:
        attribute = getattr(self._cuda.CUdevice_attribute, f"CU_DEVICE_ATTRIBUTE_{name}")
        return int(self._call("cuDeviceGetAttribute", attribute, self._device))

    def _call(self, name: str, *arguments: Any) -> Any:
        """Call a function of the driver; return its result without the code."""
        code, *results = getattr(self._cuda, name)(*arguments)
        if code:
            raise self.driver.error(name, int(code))
        return results[0] if results else None

"""Kernels compiled ahead of time, their launches, and graphs of launches."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from contextlib import suppress

from streamseg.errors import DeviceError, InputError, ModelError
from streamseg.release.cubin import read_cubin
from streamseg.release.kernel_arguments import Argument, Signature
from streamseg.vehicle.cuda.driver import Driver
from streamseg.vehicle.cuda.owner import Resource, ResourceOwner
from streamseg.vehicle.cuda.resources import Stream

MAX_DYNAMIC_SHARED_SIZE = 8
"""CUfunction_attribute; without it a block has at most 48 KiB."""
DEFAULT_SHARED_BYTES = 48 * 1024
CAPTURE_THREAD_LOCAL = 1
"""CUstreamCaptureMode: other threads do not affect the capture."""


class Module(Resource):
    """The kernels of one cubin.

    Attributes:
        cubin: the cubin's metadata.
    """

    def __init__(self, device: ResourceOwner, data: bytes) -> None:
        """Made by ``Device.load``."""
        self.cubin = read_cubin(data)
        if self.cubin.architecture != device.facts.architecture:
            raise ModelError(
                f"the cubin is for sm_{self.cubin.architecture}, but {device.facts.name} is "
                f"sm_{device.facts.architecture}"
            )
        driver = device.usable().driver
        self.handle = driver.create("cuModuleLoadData", data)
        super().__init__(device, lambda: driver.call("cuModuleUnload", self.handle))

    def function(
        self,
        name: str,
        arguments: Sequence[Argument],
        *,
        shared_bytes: int = 0,
        cooperative: bool = False,
    ) -> Function:
        """Load a kernel.

        Args:
            name: of the kernel.
            arguments: that it takes, in order, without Triton's pointers to scratch memory.
            shared_bytes: dynamic shared memory of a block.
            cooperative: whether its blocks wait for each other and must all run at the same time.

        Raises:
            DeviceError: the GPU has not enough shared memory, or the driver refuses.
            ModelError: the cubin has no such kernel, or it takes other arguments.
        """
        if name not in self.cubin.kernels:
            raise ModelError(f"the cubin holds {', '.join(self.cubin.kernels)}, not {name}")
        return Function(
            self, Signature(self.cubin.kernels[name], arguments), shared_bytes, cooperative
        )


class Function:
    """A kernel that can be launched until its module is released.

    Attributes:
        signature: its arguments; ``signature.pack(...)`` makes the bytes for ``launch``.
    """

    def __init__(
        self, module: Module, signature: Signature, shared_bytes: int, cooperative: bool
    ) -> None:
        """Made by ``Module.function``."""
        kernel, facts = signature.kernel, module.device.facts
        if kernel.threads is None:
            raise ModelError(f"kernel {kernel.name} states no number of threads")
        if shared_bytes > facts.shared_bytes_per_block:
            raise DeviceError(
                f"kernel {kernel.name} needs {shared_bytes} bytes of shared memory; "
                f"{facts.name} has {facts.shared_bytes_per_block} for a block"
            )
        self.signature = signature
        self._module = module
        self._threads = kernel.threads
        self._shared_bytes = shared_bytes
        self._cooperative = cooperative
        driver = module.device.usable(module).driver
        self._handle = driver.create("cuModuleGetFunction", module.handle, kernel.name.encode())
        if shared_bytes > DEFAULT_SHARED_BYTES:
            driver.call("cuFuncSetAttribute", self._handle, MAX_DYNAMIC_SHARED_SIZE, shared_bytes)

    def most_blocks(self) -> int:
        """Count the blocks that the GPU runs at the same time: the largest cooperative grid.

        Raises:
            DeviceError: the driver refuses.
        """
        device = self._module.device
        count = ctypes.c_int()
        x, y, z = self._threads
        device.usable(self._module).driver.call(
            "cuOccupancyMaxActiveBlocksPerMultiprocessor",
            ctypes.byref(count),
            self._handle,
            x * y * z,
            self._shared_bytes,
        )
        return count.value * device.facts.multiprocessors

    def launch(self, grid: tuple[int, int, int], arguments: bytes, stream: Stream) -> None:
        """Submit a launch to a stream and return at once.

        Args:
            grid: blocks along x, y and z; a no-op if one is 0.
            arguments: as ``signature.pack`` made them; they are copied.
            stream: where it runs.

        Raises:
            DeviceError: the driver refuses, as it does a cooperative grid of more than
                ``most_blocks``.
            InputError: the arguments are of another kernel.
        """
        kernel = self.signature.kernel
        if len(arguments) != kernel.size_bytes:
            raise InputError(
                f"kernel {kernel.name} takes {kernel.size_bytes} bytes of arguments, "
                f"got {len(arguments)}"
            )
        driver = self._module.device.usable(self._module, stream).driver
        if 0 in grid:
            return
        buffer = ctypes.create_string_buffer(arguments, len(arguments))
        start = ctypes.addressof(buffer)
        addresses = [start + parameter.offset for parameter in kernel.parameters]
        pointers = (ctypes.c_void_p * len(addresses))(*addresses)
        shape = (*grid, *self._threads, self._shared_bytes, stream.handle, pointers)
        if self._cooperative:
            driver.call("cuLaunchCooperativeKernel", self._handle, *shape)
        else:
            driver.call("cuLaunchKernel", self._handle, *shape, None)


class Graph(Resource):
    """A CUDA graph: work recorded once and launched as one."""

    def __init__(self, device: ResourceOwner, stream: Stream, work: Callable[[], object]) -> None:
        """Made by ``Device.capture``."""
        driver = device.usable(stream).driver
        driver.call("cuStreamBeginCapture_v2", stream.handle, CAPTURE_THREAD_LOCAL)
        try:
            work()
        except BaseException:
            with suppress(DeviceError):  # the error of the work matters more
                driver.call("cuGraphDestroy", _end_capture(driver, stream))
            raise
        graph = _end_capture(driver, stream)
        try:
            self._handle = driver.create("cuGraphInstantiateWithFlags", graph, 0)
        finally:
            driver.call("cuGraphDestroy", graph)
        super().__init__(device, lambda: driver.call("cuGraphExecDestroy", self._handle))

    def launch(self, stream: Stream) -> None:
        """Submit the graph to a stream and return at once.

        Raises:
            DeviceError: the driver refuses.
        """
        self.device.usable(self, stream).driver.call("cuGraphLaunch", self._handle, stream.handle)


def _end_capture(driver: Driver, stream: Stream) -> int:
    graph = ctypes.c_void_p()
    driver.call("cuStreamEndCapture", stream.handle, ctypes.byref(graph))
    return graph.value or 0

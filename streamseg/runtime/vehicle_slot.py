"""What one picture under way needs in a vehicle: memory, launches, events, recorded work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamseg.errors import DeviceError
from streamseg.export.release import Manifest
from streamseg.frame_plan import NUMPY_TYPES, FramePlan, MapShape
from streamseg.runtime.device import Device, DeviceBuffer, Graph, PinnedArray, Stream
from streamseg.runtime.onnx import CHANNELS_LAST, LOGITS
from streamseg.runtime.release_kernels import ReleaseKernels


class NetworkSlot:
    """The network of one picture: an execution context of the engine with memory of its own.

    To be used inside ``with device.current():``.
    """

    def __init__(self, device: Device, engine: Any, manifest: Manifest) -> None:
        """Allocate, and tell the engine where.

        Raises:
            DeviceError: no memory left, or the engine takes other arrays than the manifest says.
        """
        width, height = manifest.size
        shape = manifest.shape
        self.staged: PinnedArray = device.pinned((height, width, 3), np.dtype(np.uint8))
        self.pixels = device.allocate(self.staged.array.nbytes)
        item = NUMPY_TYPES[shape.number].itemsize
        self.embeddings = device.allocate(shape.pixels * shape.dims * item)
        self.logits = device.allocate(shape.pixels * shape.thresholds * shape.channels * item)
        self.memory_bytes = sum(
            buffer.size_bytes for buffer in (self.pixels, self.embeddings, self.logits)
        )
        self._context = engine.create_execution_context()
        if self._context is None:
            raise DeviceError("TensorRT made no execution context: out of device memory?")
        arrays = {"image": self.pixels, CHANNELS_LAST: self.embeddings, LOGITS: self.logits}
        for name, buffer in arrays.items():
            if not self._context.set_tensor_address(name, buffer.pointer):
                raise DeviceError(f"the engine has no tensor {name}")

    def run(self, stream: Stream) -> None:
        """Start the network on ``pixels``.

        Raises:
            DeviceError: TensorRT refuses.
        """
        if not self._context.execute_async_v3(stream.handle):
            raise DeviceError("TensorRT could not start the network; see its log")


class Slot:
    """Place for one picture at a time, with network and grouping.

    The first picture is computed step by step, before the second one the steps are recorded as
    two CUDA graphs, and from then on replayed. To be used inside ``with device.current():``.
    """

    def __init__(
        self,
        device: Device,
        network: NetworkSlot,
        kernels: ReleaseKernels,
        plan: FramePlan,
        squared_radius: DeviceBuffer,
    ) -> None:
        """Allocate what a plan asks for and get its launches ready.

        Raises:
            DeviceError: no memory left, or a kernel cannot be loaded.
            ModelError: the release holds no kernel for these sizes.
        """
        self._device = device
        self.network = network
        self._plan = plan
        blocks = (plan.cleared, plan.scratch, plan.results)
        self._buffers = [device.allocate(block.bytes) for block in blocks]
        self._cleared, _, self.results = self._buffers
        self.memory_bytes = sum(buffer.size_bytes for buffer in self._buffers)
        addresses = {
            "embeddings": network.embeddings.pointer,
            "logits": network.logits.pointer,
            "squared_radius": squared_radius.pointer,
        }
        for block, buffer in zip(blocks, self._buffers, strict=True):
            for name, array in block.arrays.items():
                addresses[name] = buffer.pointer + array.offset
        self._launches = kernels.ready(plan, addresses)
        self.host = device.pinned((plan.results.bytes,), np.dtype(np.uint8))
        self._graphs: tuple[Graph, Graph] | None = None
        self._used = False
        self.arrived, self.fetched = device.event(), device.event()
        self.started, self.between, self.done = (device.event(timing=True) for _ in range(3))

    def compute(self, stream: Stream) -> None:
        """Start network and grouping on what is in the network's ``pixels``.

        Raises:
            DeviceError: TensorRT or the driver refuses.
        """
        if self._used and not self._graphs:
            self._graphs = (
                self._device.capture(stream, lambda: self.network.run(stream)),
                self._device.capture(stream, lambda: self._group(stream)),
            )
        self._used = True
        self.started.record(stream)
        if self._graphs:
            self._graphs[0].launch(stream)
            self.between.record(stream)
            self._graphs[1].launch(stream)
        else:
            self.network.run(stream)
            self.between.record(stream)
            self._group(stream)
        self.done.record(stream)

    def read(self) -> Mapping[str, NDArray[Any]]:
        """A copy of the results that have been fetched, by name."""
        memory = self.host.array.copy()
        return {
            name: memory[array.offset : array.offset + array.bytes]
            .view(NUMPY_TYPES[array.kind])
            .reshape(array.shape)
            for name, array in self._plan.results.arrays.items()
        }

    def release(self) -> None:
        """Give everything but the network back; nothing may be under way."""
        events = (self.arrived, self.fetched, self.started, self.between, self.done)
        for resource in (*(self._graphs or ()), *events, self.host, *self._buffers):
            resource.release()

    def _group(self, stream: Stream) -> None:
        self._device.zero(self._cleared, stream)
        for launch in self._launches:
            launch.start(stream)


def read_output(
    embeddings: NDArray[Any], logits: NDArray[Any], shape: MapShape
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The network's outputs as everyone else knows them.

    Args:
        embeddings: [h * w * D].
        logits: [T * (C+1) * h * w].
        shape: of the output.

    Returns:
        Embeddings [D, h, w] and logits [T, C+1, h, w], float32.
    """
    rows = embeddings.reshape(shape.height, shape.width, shape.dims)
    planes = logits.reshape(shape.thresholds, shape.channels, shape.height, shape.width)
    return (
        np.ascontiguousarray(rows.transpose(2, 0, 1), np.float32),
        np.ascontiguousarray(planes, np.float32),
    )

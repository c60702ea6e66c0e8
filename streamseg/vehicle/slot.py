"""Resources of one image in flight on a vehicle: memory, launches, events, CUDA graphs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamseg.grouping.plan import FramePlan
from streamseg.vehicle.cuda import Device, DeviceBuffer, Graph, Stream
from streamseg.vehicle.kernels import ReleaseKernels
from streamseg.vehicle.network import EngineNetwork


class Slot:
    """Network and grouping for one image at a time.

    The first image is computed step by step. Before the second one the steps are recorded as two
    CUDA graphs, which are replayed from then on. Use it inside ``with device.current():``.

    Attributes:
        addresses: of all arrays that the kernels read and write, by name.
    """

    def __init__(
        self,
        device: Device,
        network: EngineNetwork,
        kernels: ReleaseKernels,
        plan: FramePlan,
        squared_radius: DeviceBuffer,
    ) -> None:
        """Allocate the memory of a plan and prepare its launches.

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
        self.addresses = {
            "embeddings": network.embeddings.pointer,
            "foreground": network.foreground.pointer,
            "classes": network.classes.pointer,
            "squared_radius": squared_radius.pointer,
        }
        for block, buffer in zip(blocks, self._buffers, strict=True):
            for name, array in block.arrays.items():
                self.addresses[name] = buffer.pointer + array.offset
        self._launches = kernels.ready(plan, self.addresses)
        self.host = device.pinned((plan.results.bytes,), np.dtype(np.uint8))
        self._graphs: tuple[Graph, Graph] | None = None
        self._used = False
        self.arrived, self.fetched = device.event(), device.event()
        self.started, self.between, self.done = (device.event(timing=True) for _ in range(3))

    def compute(self, stream: Stream) -> None:
        """Start network and grouping on the network's ``pixels``.

        Raises:
            DeviceError: TensorRT or the driver refuses.
        """
        if self._used and not self._graphs:
            self._graphs = (
                self._device.capture(stream, lambda: self.network.start(stream)),
                self._device.capture(stream, lambda: self._group(stream)),
            )
        self._used = True
        self.started.record(stream)
        if self._graphs:
            self._graphs[0].launch(stream)
            self.between.record(stream)
            self._graphs[1].launch(stream)
        else:
            self.network.start(stream)
            self.between.record(stream)
            self._group(stream)
        self.done.record(stream)

    def read(self) -> Mapping[str, NDArray[Any]]:
        """Copy the fetched results, by name."""
        return self._plan.results.views(self.host.array.copy())

    def release(self) -> None:
        """Free everything but the network; nothing may be in flight."""
        events = (self.arrived, self.fetched, self.started, self.between, self.done)
        for resource in (*(self._graphs or ()), *events, self.host, *self._buffers):
            resource.release()

    def _group(self, stream: Stream) -> None:
        self._device.zero(self._cleared, stream)
        for launch in self._launches:
            launch.start(stream)

"""A release in a vehicle: TensorRT runs the network, kernels compiled ahead of time group pixels.

Needs neither torch nor Triton. Two images may be in flight: one stream uploads, one computes, one
downloads, as in ``runtime/cuda.py``.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np

from streamseg.closing import Closing
from streamseg.frame import Image
from streamseg.grouping.cpu import GroupingConfig
from streamseg.grouping.plan import plan_frame, read_segments
from streamseg.kernels.group_pixels.launch import most_programs
from streamseg.kernels.similarity import squared_radius
from streamseg.release.engine_file import load_release_engine
from streamseg.release.manifest import Release, open_release
from streamseg.results import NetworkOutput
from streamseg.runtime.slot_pending import Fetched, SlotPending
from streamseg.vehicle.cuda import Device, open_device
from streamseg.vehicle.kernels import ReleaseKernels
from streamseg.vehicle.network import EngineNetwork
from streamseg.vehicle.slot import Slot

SLOTS = 2
"""Images in flight."""
MOST_SIZES = 3
"""Frame sizes whose slots are kept: more than images can be in flight."""


class VehicleRuntime(Closing):
    """A release on the GPU of this machine, with the engine that was built here."""

    def __init__(
        self,
        folder: Path,
        *,
        device: str = "auto",
        tensorrt: ModuleType | None = None,
    ) -> None:
        """Open a release.

        Args:
            folder: of the release, after ``streamseg build``.
            device: package that speaks to the driver: ``pycuda``, ``cuda-bindings`` or ``auto``.
            tensorrt: the module; imported if None.

        Raises:
            DeviceError: there is no GPU, or it has not enough memory.
            MissingExtraError: TensorRT or the package for the driver is not installed.
            ModelError: the release is damaged, has nothing for this GPU, or no engine that fits.
        """
        self.release: Release = open_release(folder)
        manifest = self.release.manifest
        self.config, self.size = manifest.model, manifest.size
        self.device: Device = open_device(device)
        try:
            with self.device.current():
                self._engine = load_release_engine(self.release, self.device.facts, tensorrt)
                self._kernels = ReleaseKernels(self.release, self.device)
                self._upload, self._compute, self._download = (
                    self.device.stream() for _ in range(3)
                )
                taus = np.asarray(manifest.model.taus, np.float32)
                self._radius = self.device.constant(squared_radius(taus))
                self._networks = [
                    EngineNetwork(self.device, self._engine, manifest) for _ in range(SLOTS)
                ]
        except BaseException:
            self.close()
            raise
        self._slots: dict[tuple[GroupingConfig, int, int], list[Slot]] = {}
        self._turn = 0
        self._pending: list[SlotPending | None] = [None] * SLOTS
        """The latest image of each network."""
        self.description = f"TensorRT, {manifest.precision}, {self.device.description}"

    def run(self, image: Image) -> NetworkOutput:
        """Run the network on one image, and wait for it.

        Args:
            image: RGB uint8 [H, W, 3] of the size that was exported.

        Raises:
            DeviceError: the GPU or TensorRT refuses.
            InputError: wrong shape or dtype.
        """
        with self.device.current():
            return self._networks[0].run(image)

    def submit(
        self, image: Image, grouping: GroupingConfig, *, height: int, width: int
    ) -> SlotPending:
        """Submit an image and return at once; see ``GroupingRuntime``.

        Raises:
            DeviceError: the GPU or TensorRT refuses.
            InputError: wrong shape or dtype.
            ModelError: the release holds no kernel for frames of this size.
        """
        with self.device.current():
            slot = self._slot(grouping, height, width)
            if pending := self._pending[self._turn]:
                pending.fetch()
            slot.network.stage(image)
            self.device.upload(slot.network.staged, slot.network.pixels, self._upload)
            slot.arrived.record(self._upload)
            self._compute.wait(slot.arrived)
            slot.compute(self._compute)
            self._download.wait(slot.done)
            self.device.download(slot.results, slot.host, self._download)
            slot.fetched.record(self._download)
        pending = SlotPending(lambda: self._read(slot))
        self._pending[self._turn] = pending
        return pending

    @property
    def memory_bytes(self) -> int:
        """Device memory of network and grouping, without the driver's own."""
        activations = SLOTS * int(self._engine.device_memory_size_v2)
        networks = sum(network.memory_bytes for network in self._networks)
        slots = sum(slot.memory_bytes for slots in self._slots.values() for slot in slots)
        return activations + networks + slots

    def _slot(self, grouping: GroupingConfig, height: int, width: int) -> Slot:
        """The next slot for frames of this size."""
        key = (grouping, height, width)
        if key not in self._slots:
            plan = plan_frame(
                self.release.manifest.shape,
                grouping,
                height=height,
                width=width,
                most_programs=most_programs(self.device.facts.multiprocessors),
            )
            while len(self._slots) >= MOST_SIZES:
                for pending in self._pending:
                    if pending:  # it may be in flight in what is released
                        pending.fetch()
                for slot in self._slots.pop(next(iter(self._slots))):
                    slot.release()
            self._slots[key] = [
                Slot(self.device, network, self._kernels, plan, self._radius)
                for network in self._networks
            ]
        self._turn = (self._turn + 1) % SLOTS
        return self._slots[key][self._turn]

    def _read(self, slot: Slot) -> Fetched:
        """Wait for the image of a slot, and copy its segments."""
        with self.device.current():
            slot.fetched.synchronize()
            network_ms = slot.started.milliseconds_until(slot.between)
            grouping_ms = slot.between.milliseconds_until(slot.done)
        manifest = self.release.manifest
        segments = read_segments(slot.read(), manifest.model.taus, manifest.shape)
        return segments, network_ms, grouping_ms

    def close(self) -> None:
        """Free all resources; closing again is a no-op."""
        # contexts before the engine: both hold device memory of TensorRT
        self._slots, self._networks, self._pending = {}, [], []
        self._engine = None
        self.device.close()

"""The kernels of a release on a device: find the file of a launch, and pack its arguments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from streamseg.errors import ModelError
from streamseg.grouping.plan import FramePlan
from streamseg.kernels.launch import Launch
from streamseg.release.kernel_arguments import kernel_arguments
from streamseg.release.manifest import KernelFile, Release
from streamseg.vehicle.cuda import Device, Function, Stream


@dataclass(frozen=True)
class ReadyLaunch:
    """A launch with its packed arguments."""

    function: Function
    grid: tuple[int, int, int]
    arguments: bytes

    def start(self, stream: Stream) -> None:
        """Submit it to a stream."""
        self.function.launch(self.grid, self.arguments, stream)


class ReleaseKernels:
    """Kernels of a release, each loaded when it is first needed.

    Use it inside ``with device.current():``.
    """

    def __init__(self, release: Release, device: Device) -> None:
        """Choose the files for a device.

        Raises:
            ModelError: the release has none for it, or the driver is too old for them.
        """
        self._release = release
        self._device = device
        self._files = release.kernels_for(device.facts.architecture)
        self._functions: dict[str, Function] = {}
        for file in self._files:
            _check_assembler(file, device)

    def ready(self, plan: FramePlan, addresses: Mapping[str, int]) -> list[ReadyLaunch]:
        """Prepare all launches of a plan.

        Args:
            plan: of a frame.
            addresses: of its arrays on the device.

        Raises:
            DeviceError: a kernel cannot be loaded.
            ModelError: the release holds no kernel for these sizes.
        """
        ready = []
        for launch in plan.launches:
            file = self._file(launch)
            values = {**addresses, **launch.scalars}
            function = self._function(file)
            packed = function.signature.pack(*(values[name] for name in file.arguments))
            ready.append(ReadyLaunch(function, (*launch.grid, 1), packed))
        return ready

    def _file(self, launch: Launch) -> KernelFile:
        for file in self._files:
            if file.serves(launch):
                return file
        constants = ", ".join(f"{name} = {value}" for name, value in launch.constants.items())
        raise ModelError(
            f"{self._release.folder} holds no kernel {launch.kernel} with {constants}: frames are "
            "too large for it, or max_instances is not the "
            f"{self._release.manifest.max_instances} it was exported for"
        )

    def _function(self, file: KernelFile) -> Function:
        if file.path not in self._functions:
            module = self._device.load(self._release.path(file.path).read_bytes())
            self._functions[file.path] = module.function(
                file.entry,
                kernel_arguments(file),
                shared_bytes=file.shared_bytes,
                cooperative=file.cooperative,
            )
        return self._functions[file.path]


def _check_assembler(file: KernelFile, device: Device) -> None:
    assembler = tuple(map(int, file.assembled_by.split(".")))
    if assembler > device.facts.driver_version:
        driver = ".".join(map(str, device.facts.driver_version))
        raise ModelError(
            f"{file.path} was assembled by CUDA {file.assembled_by}, and the driver of "
            f"{device.facts.name} supports CUDA up to {driver}: export again with --ptxas of that "
            "CUDA"
        )

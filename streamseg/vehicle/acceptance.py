"""Does an engine that was just built do what it must? Asked before it is written."""

from __future__ import annotations

from streamseg.release.manifest import Release
from streamseg.release.tensorrt_module import ICudaEngine
from streamseg.vehicle.check import check_golden, golden_of
from streamseg.vehicle.cuda import Device
from streamseg.vehicle.network import EngineNetwork


def accept_engine(device: Device, release: Release, engine: ICudaEngine) -> None:
    """Hold an engine against the golden outputs of its release.

    Raises:
        DeviceError: the GPU refuses.
        ModelError: the engine says something else than it must.
    """
    with device.current():
        network = EngineNetwork(device, engine, release.manifest)
        check_golden(release, network, golden_of(release))
        network.close()

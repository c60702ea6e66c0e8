"""Check a new engine before it is written."""

from __future__ import annotations

from streamseg.release.manifest import Release
from streamseg.release.tensorrt_module import ICudaEngine
from streamseg.vehicle.check import check_golden, release_golden
from streamseg.vehicle.cuda import Device
from streamseg.vehicle.network import EngineNetwork


def accept_engine(device: Device, release: Release, engine: ICudaEngine) -> None:
    """Compare an engine with the golden outputs of its release.

    Raises:
        DeviceError: the GPU refuses.
        ModelError: the outputs of the engine differ too much.
    """
    with device.current():
        network = EngineNetwork(device, engine, release.manifest)
        check_golden(release, network, release_golden(release))
        network.close()

"""The engine of a release, built and accepted on the machine that will run it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from streamseg.errors import SinkError
from streamseg.export.build_progress import BuildStep
from streamseg.export.check import check_golden, golden_of
from streamseg.export.engine_file import ENGINE, why_rebuild
from streamseg.export.engine_manifest import EngineOptions
from streamseg.export.release import TRUNK, open_release
from streamseg.export.tensorrt_module import ICudaEngine, TensorRT
from streamseg.export.to_tensorrt import build_engine
from streamseg.runtime.device import open_device
from streamseg.runtime.vehicle_network import EngineNetwork

TIMING_CACHE: Final = "engine/timing.cache"


def build_release(
    folder: Path,
    *,
    workspace_bytes: int | None = None,
    force: bool = False,
    progress: Callable[[BuildStep], None] | None = None,
    trt: TensorRT | None = None,
) -> str:
    """Build the engine, unless there is one that fits, and hold it against the golden outputs.

    Args:
        folder: of the release.
        workspace_bytes: most memory for intermediate results of a layer; None is 1 GiB on Tegra
            and TensorRT's own limit elsewhere.
        force: build although the engine fits.
        progress: see ``build_engine``.
        trt: the module; imported if None.

    Returns:
        What was done, in a line.

    Raises:
        DeviceError: there is no GPU.
        MissingExtraError: TensorRT or the package for the driver is not installed.
        ModelError: the release is damaged, cannot be built here, or its engine computes something
            else than it must; then the engine from before is still there.
        SinkError: the engine cannot be written.
    """
    release = open_release(folder)
    engine = folder / ENGINE
    options = EngineOptions(release.manifest.precision, workspace_bytes=workspace_bytes)
    with open_device() as device:
        reason = why_rebuild(engine, folder / TRUNK, device.facts, options, trt)
        if reason is None and not force:
            return f"{engine} fits this machine: nothing to build"
        try:
            engine.parent.mkdir(exist_ok=True)
        except OSError as error:
            raise SinkError(f"{engine.parent} cannot be made: {error}") from None

        def accept(built: ICudaEngine) -> None:
            with device.current():
                network = EngineNetwork(device, built, release.manifest)
                check_golden(release, network, golden_of(release))
                network.close()

        manifest = build_engine(
            folder / TRUNK,
            engine,
            device.facts,
            options,
            timing_cache=folder / TIMING_CACHE,
            progress=progress,
            accept=accept,
            trt=trt,
        )
    size_mb = engine.stat().st_size / 1e6
    return (
        f"built {engine}, {size_mb:.1f} MB, in {manifest.build_seconds:.0f} s with TensorRT "
        f"{manifest.tensorrt} for {manifest.device.name}; its golden outputs are right"
    )

"""The engine of a release, built on the machine that will run it.

The caller passes the GPU and a function that checks the new engine. ``streamseg build`` passes the
vehicle's device and ``accept_engine``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from streamseg.errors import SinkError
from streamseg.export.build_progress import BuildStep
from streamseg.export.to_tensorrt import build_engine
from streamseg.release.device_facts import DeviceFacts
from streamseg.release.engine_file import ENGINE, is_up_to_date
from streamseg.release.engine_manifest import EngineOptions
from streamseg.release.manifest import TRUNK, Release
from streamseg.release.tensorrt_module import ICudaEngine, TensorRT

TIMING_CACHE: Final = "engine/timing.cache"


def build_release(
    release: Release,
    device: DeviceFacts,
    accept: Callable[[Release, ICudaEngine], None],
    *,
    workspace_bytes: int | None = None,
    force: bool = False,
    progress: Callable[[BuildStep], None] | None = None,
    trt: TensorRT | None = None,
) -> str:
    """Build the engine unless an existing one fits, and compare it with the golden outputs.

    Args:
        release: to be built; its folder is written to.
        device: the GPU of this machine.
        accept: called with an engine before it is written; raises ``ModelError`` if its outputs are
            wrong.
        workspace_bytes: most memory for intermediate results of a layer; None is 1 GiB on Tegra
            and TensorRT's own limit elsewhere.
        force: build even if the engine fits.
        progress: see ``build_engine``.
        trt: the module; imported if None.

    Returns:
        What was done, in a line.

    Raises:
        DeviceError: TensorRT finds no GPU.
        MissingExtraError: TensorRT is not installed.
        ModelError: the release cannot be built here, or its engine's outputs are wrong; the old
            engine is kept then.
        SinkError: the engine cannot be written.
    """
    folder, manifest = release.folder, release.manifest
    engine = folder / ENGINE
    options = EngineOptions(manifest.precision, workspace_bytes=workspace_bytes)
    if not force and is_up_to_date(engine, folder / TRUNK, device, options, trt):
        return f"{engine} fits this machine: nothing to build"
    try:
        engine.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise SinkError(f"{engine.parent} cannot be made: {error}") from None
    built = build_engine(
        folder / TRUNK,
        engine,
        device,
        options,
        timing_cache=folder / TIMING_CACHE,
        progress=progress,
        accept=partial(accept, release),
        trt=trt,
    )
    size_mb = engine.stat().st_size / 1e6
    return (
        f"built {engine}, {size_mb:.1f} MB, in {built.build_seconds:.0f} s with TensorRT "
        f"{built.tensorrt} for {built.device.name}; its golden outputs are right"
    )

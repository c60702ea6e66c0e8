"""Engine files: check whether one can be used here, and load it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from streamseg.errors import ModelError
from streamseg.release.device_facts import DeviceFacts
from streamseg.release.engine_manifest import (
    ADVICE,
    EngineManifest,
    EngineOptions,
    plan_version,
    read_manifest,
)
from streamseg.release.manifest import TRUNK, Release, sha256_of
from streamseg.release.tensorrt_module import (
    ICudaEngine,
    Runtime,
    TensorRT,
    import_tensorrt,
    logged_errors,
    start,
)

ENGINE: Final = "engine/trunk.plan"
"""Path of the engine in a release."""


def is_up_to_date(
    engine: Path,
    onnx: Path,
    device: DeviceFacts,
    options: EngineOptions | None = None,
    trt: TensorRT | None = None,
) -> bool:
    """Whether an engine is complete, and of this source, machine and options.

    Args:
        engine: path of the plan, which need not exist.
        onnx: source of the build.
        device: the GPU of this machine.
        options: of the build; None for all defaults.
        trt: the module; imported if None.

    Raises:
        MissingExtraError: TensorRT is not installed.
        ModelError: the ONNX file cannot be read.
    """
    trt = trt or import_tensorrt()
    if not engine.is_file():
        return False
    try:
        manifest = read_manifest(engine)
    except ModelError:
        return False
    if manifest is None or sha256_of(engine) != manifest.plan_sha256:
        return False
    reason = manifest.why_unusable(
        trt.__version__, device, onnx_sha256=sha256_of(onnx), options=options or EngineOptions()
    )
    return reason is None


def load_engine(
    plan: Path | bytes,
    manifest: EngineManifest | None,
    device: DeviceFacts,
    trt: TensorRT | None = None,
    *,
    onnx_sha256: str | None = None,
) -> ICudaEngine:
    """Load an engine into the GPU.

    Args:
        plan: the engine, or the path of its file.
        manifest: of the engine (see ``read_manifest``); None if there is none, as for third-party
            plans; then only TensorRT checks the engine.
        device: the GPU of this machine.
        trt: the module; imported if None.
        onnx_sha256: of the file that the engine must have been built from; None for any.

    Returns:
        TensorRT's engine, never None.

    Raises:
        DeviceError: TensorRT finds no GPU.
        MissingExtraError: TensorRT is not installed.
        ModelError: the file is missing or damaged, not an engine, or not for this machine.
    """
    trt = trt or import_tensorrt()
    name = str(plan) if isinstance(plan, Path) else "the engine"
    plan = _read(plan) if isinstance(plan, Path) else plan
    version = plan_version(plan)
    if version is None:
        raise ModelError(f"{name} is not an engine of TensorRT: {ADVICE}")
    if manifest is not None:
        if hashlib.sha256(plan).hexdigest() != manifest.plan_sha256:
            raise ModelError(f"{name} is not the engine that its manifest describes: {ADVICE}")
        reason = manifest.why_unusable(trt.__version__, device, onnx_sha256=onnx_sha256)
        if reason:
            raise ModelError(f"{name} {reason}")
    runtime: Runtime = start(trt, trt.Runtime)
    with logged_errors() as errors:
        engine = runtime.deserialize_cuda_engine(plan)
    if engine is None:
        raise ModelError(
            f"{name}, of TensorRT {version}, is refused by TensorRT {trt.__version__} on "
            f"{device.name} sm_{device.architecture} ({errors}): {ADVICE}"
        )
    return engine


def load_release_engine(
    release: Release, device: DeviceFacts, trt: TensorRT | None = None
) -> ICudaEngine:
    """Load the engine that was built for a release.

    Raises:
        DeviceError: TensorRT finds no GPU.
        MissingExtraError: TensorRT is not installed.
        ModelError: there is none, or it is not for this machine and release.
    """
    engine = release.path(ENGINE)
    onnx_sha256 = release.manifest.sha256[TRUNK]  # compared with the file when it was opened
    return load_engine(engine, read_manifest(engine), device, trt, onnx_sha256=onnx_sha256)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ModelError(f"{path} does not exist: {ADVICE}") from None
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error}") from None

"""ONNX file → TensorRT engine, on the machine that will run it, with TensorRT 10.3 to 11.4.

Networks are always strongly typed: a layer computes in the dtype that the file sets, independent of
builder flags. Neither torch nor onnx is needed.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from streamseg.errors import ModelError, SinkError
from streamseg.export.build_progress import BuildStep, BuildWatch, progress_monitor
from streamseg.files.atomic_write import atomic_write
from streamseg.release.device_facts import DeviceFacts
from streamseg.release.engine_file import load_engine
from streamseg.release.engine_manifest import (
    EngineManifest,
    EngineOptions,
    manifest_path,
)
from streamseg.release.engine_precision import LayerCounts, count_layers, wrong_precision
from streamseg.release.manifest import sha256_of
from streamseg.release.tensorrt_module import (
    Builder,
    IBuilderConfig,
    ICudaEngine,
    INetworkDefinition,
    OnnxParser,
    ParserError,
    TensorRT,
    import_tensorrt,
    logged_errors,
    readable,
    start,
    tensorrt_logger,
)

logger = logging.getLogger(__name__)

TEGRA: Final = (53, 62, 72, 87, 101, 110)
"""Compute capabilities that only Jetson and DRIVE have, whose GPU shares the CPU's memory. The
device tree would tell, but containers hide it."""
TEGRA_WORKSPACE_BYTES: Final = 1 << 30
"""Without a limit, TensorRT tries tactics that take all memory, and the system kills the build."""


@dataclass(frozen=True)
class _Built:
    """Results of a build, without TensorRT's objects."""

    plan: bytes
    layers: LayerCounts
    workspace_bytes: int
    optimization_level: int
    flags: tuple[str, ...]


def build_engine(
    onnx: Path,
    engine: Path,
    device: DeviceFacts,
    options: EngineOptions | None = None,
    *,
    timing_cache: Path | None = None,
    progress: Callable[[BuildStep], None] | None = None,
    accept: Callable[[ICudaEngine], None] | None = None,
    trt: TensorRT | None = None,
) -> EngineManifest:
    """Build an engine and write it with its manifest, ``engine.json`` beside ``engine.plan``.

    Takes minutes. Ctrl-C cancels; then, and after any error, the old files are kept.

    Args:
        onnx: in the precision of the engine.
        engine: path of the plan to write.
        device: the GPU of this machine, the first one.
        options: None for all defaults.
        timing_cache: of earlier builds, read and updated: it makes builds faster and more
            reproducible. A cache of another TensorRT or GPU is replaced.
        progress: called for every step in another thread (see ``build_bars``); an exception cancels
            the build.
        accept: called with the engine before it is written; raises to refuse it.
        trt: the module; imported if None.

    Returns:
        The manifest.

    Raises:
        DeviceError: TensorRT finds no GPU.
        MissingExtraError: TensorRT is not installed.
        ModelError: the file is missing, takes images of any size, has another precision, or
            TensorRT cannot build it.
        SinkError: the engine cannot be written.
    """
    trt, options = trt or import_tensorrt(), options or EngineOptions()
    onnx_sha256 = sha256_of(onnx)
    if not engine.parent.is_dir():  # fail before the build
        raise SinkError(f"{engine} cannot be written: {engine.parent} is not a folder")
    begin = time.perf_counter()
    built = _build(trt, onnx, device, options, timing_cache, BuildWatch(progress))
    manifest = EngineManifest(
        tensorrt=trt.__version__,
        device=device,
        onnx_sha256=onnx_sha256,
        plan_sha256=hashlib.sha256(built.plan).hexdigest(),
        workspace_bytes=built.workspace_bytes,
        optimization_level=built.optimization_level,
        flags=built.flags,
        layers=built.layers,
        build_seconds=round(time.perf_counter() - begin, 3),
        streamseg=version("streamseg"),
        options=options,
    )
    if accept:
        accept(load_engine(built.plan, manifest, device, trt))
    try:
        with (
            atomic_write(engine) as plan_file,
            atomic_write(manifest_path(engine)) as manifest_file,
        ):
            plan_file.write_bytes(built.plan)
            manifest_file.write_text(manifest.to_json() + "\n", "utf-8")
    except OSError as error:
        raise SinkError(f"{engine} cannot be written: {error}") from error
    return manifest


def _build(
    trt: TensorRT,
    onnx: Path,
    device: DeviceFacts,
    options: EngineOptions,
    timing_cache: Path | None,
    watch: BuildWatch,
) -> _Built:
    """Build the plan; all of TensorRT's objects are freed on return."""
    flags = _strongly_typed(trt)
    builder: Builder = start(trt, trt.Builder)
    network: INetworkDefinition = builder.create_network(flags)
    parser = _parsed(trt, network, onnx)
    _refuse_free_sides(network, onnx)
    layers = count_layers(network)
    wrong = options.precision and wrong_precision(layers, options.precision)
    if wrong:
        raise ModelError(f"{onnx} {wrong}: export it with that precision")
    config: IBuilderConfig = builder.create_builder_config()
    monitor = progress_monitor(trt, watch)
    config.progress_monitor = monitor
    workspace = options.workspace_bytes
    if workspace is None and device.architecture in TEGRA:
        workspace = TEGRA_WORKSPACE_BYTES
    if workspace is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, workspace)
    if timing_cache:
        _use_timing_cache(config, timing_cache)
    with logged_errors() as errors:
        plan = watch.run(lambda: builder.build_serialized_network(network, config))
    if plan is None:
        raise ModelError(f"TensorRT {trt.__version__} cannot build {onnx}: {errors}")
    if timing_cache:
        _save_timing_cache(config, timing_cache)
    del parser  # kept until here: it owns the network's weights
    return _Built(
        bytes(plan),
        layers,
        config.get_memory_pool_limit(trt.MemoryPoolType.WORKSPACE),
        config.builder_optimization_level,
        tuple(name for name, flag in trt.BuilderFlag.__members__.items() if config.get_flag(flag)),
    )


def _strongly_typed(trt: TensorRT) -> int:
    """Return the flags of a strongly typed network, the only kind from TensorRT 11 on."""
    flag = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    if flag is None:
        raise ModelError(f"TensorRT {trt.__version__} is not supported: 10.3 to 11.4 are")
    return 1 << int(flag)


def _parsed(trt: TensorRT, network: INetworkDefinition, onnx: Path) -> OnnxParser:
    """Parse a file into the network; the returned parser owns the weights."""
    parser: OnnxParser = trt.OnnxParser(network, tensorrt_logger(trt))
    with logged_errors() as errors:
        if parser.parse_from_file(str(onnx)):
            return parser
    if not parser.num_errors:
        raise ModelError(f"TensorRT {trt.__version__} cannot read {onnx}: {errors}")
    error: ParserError = parser.get_error(0)
    reason = readable(error.desc())
    if error.node() < 0:
        raise ModelError(f"{onnx} is not an ONNX file that TensorRT can read: {reason}")
    raise ModelError(
        f"{onnx}: TensorRT {trt.__version__} cannot take the node {error.node_name()!r} "
        f"({error.node_operator()}): {error.code().name} in {error.func()}"
        + (f", {reason}" if reason not in ("", "false") else "")
    )


def _refuse_free_sides(network: INetworkDefinition, onnx: Path) -> None:
    for index in range(network.num_inputs):
        tensor = network.get_input(index)
        if -1 in tuple(tensor.shape):
            text = "x".join("?" if side < 0 else str(side) for side in tensor.shape)
            raise ModelError(f"{onnx}: input {tensor.name} is {text}: export it with a size")


def _use_timing_cache(config: IBuilderConfig, path: Path) -> None:
    """Load the timing cache; one that does not fit is ignored."""
    saved = path.read_bytes() if path.is_file() else b""
    cache = config.create_timing_cache(saved)
    if cache is None or not config.set_timing_cache(cache, False):
        logger.warning("%s is of another TensorRT or GPU and is replaced", path)
        config.set_timing_cache(config.create_timing_cache(b""), False)


def _save_timing_cache(config: IBuilderConfig, path: Path) -> None:
    """Save the timing cache; failures are only logged."""
    try:
        with atomic_write(path) as partial:
            partial.write_bytes(bytes(config.get_timing_cache().serialize()))
    except OSError as error:
        logger.warning("%s cannot be written: %s", path, error)

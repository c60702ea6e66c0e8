"""TensorRT for RTX builds: it has the interface of TensorRT 11 and needs no GPU for that."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from small_export import KINDS, Export
from stub_tensorrt import graphs

from streamseg.errors import ModelError, SinkError
from streamseg.export.build_progress import BuildStep
from streamseg.export.to_tensorrt import TEGRA_WORKSPACE_BYTES, build_engine
from streamseg.release.device_facts import DeviceFacts
from streamseg.release.engine_file import is_up_to_date, load_engine
from streamseg.release.engine_manifest import EngineOptions, plan_version, read_manifest
from streamseg.release.engine_precision import PRECISIONS

trt: Any = pytest.importorskip("tensorrt_rtx")

ORIN = DeviceFacts("Orin", (8, 7), 16, (12, 6), 8 << 30, 166912)
RTX = DeviceFacts("NVIDIA GeForce RTX 3060", (8, 6), 28, (12, 8), 12 << 30, 101376)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".onnx"}


@pytest.fixture
def old_files(tmp_path: Path) -> dict[str, bytes]:
    """An engine from before, which whatever goes wrong must leave alone."""
    (tmp_path / "engine.plan").write_bytes(b"old plan")
    (tmp_path / "engine.json").write_bytes(b"old manifest")
    return files(tmp_path)


@pytest.mark.parametrize(
    ("precision", "options", "layers"),
    [
        ("fp32", EngineOptions("fp32"), {"FLOAT": 1}),
        ("fp16", EngineOptions("fp16"), {"HALF": 1}),
        ("int8", EngineOptions("int8"), {"INT8": 1}),
        ("int8", EngineOptions(), {"INT8": 1}),
    ],
)
def test_engine_and_manifest_are_written_and_used_again(
    tmp_path: Path,
    precision: graphs.Precision,
    options: EngineOptions,
    layers: dict[str, int],
) -> None:
    onnx = graphs.convolution(tmp_path / "model.onnx", precision)
    engine = tmp_path / "engine.plan"
    manifest = build_engine(onnx, engine, ORIN, options, trt=trt)

    assert set(files(tmp_path)) == {"engine.plan", "engine.json"}
    assert read_manifest(engine) == manifest
    assert manifest.layers["CONVOLUTION"] == layers
    assert (manifest.tensorrt, manifest.device) == (trt.__version__, ORIN)
    assert "TF32" in manifest.flags
    assert manifest.optimization_level == 3
    assert 0 < manifest.build_seconds < 60
    assert plan_version(engine.read_bytes()) == trt.__version__
    assert is_up_to_date(engine, onnx, ORIN, options, trt)


@pytest.mark.parametrize(
    ("precision", "asked", "found"),
    [("fp32", "fp16", "1 fp32"), ("fp16", "fp32", "1 fp16"), ("fp16", "int8", "1 fp16")],
)
def test_another_precision_than_asked_for_is_refused(
    tmp_path: Path,
    old_files: dict[str, bytes],
    precision: graphs.Precision,
    asked: str,
    found: str,
) -> None:
    onnx = graphs.convolution(tmp_path / "model.onnx", precision)
    with pytest.raises(ModelError, match=f"model.onnx is not {asked}: .* as {found}: export it"):
        build_engine(onnx, tmp_path / "engine.plan", ORIN, EngineOptions(asked), trt=trt)
    assert files(tmp_path) == old_files


def garbage(path: Path) -> Path:
    path.write_bytes(b"garbage")
    return path


def too_many(path: Path) -> Path:
    return graphs.largest_numbers(path, 4096)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (graphs.unknown_operation, r"cannot take the node 'volume' \(Det\): UNSUPPORTED_NODE in"),
        (graphs.unlike_types, r"'unlike' \(Add\): INVALID_NODE .* types Float and Half"),
        (too_many, r"cannot build .*model.onnx: .* largest: K exceeds the maximum .*\(3840\)"),
        (garbage, "model.onnx is not an ONNX file that TensorRT can read: .*Failed to parse"),
        (lambda path: path, "model.onnx cannot be read: .*No such file"),
    ],
)
def test_a_file_that_tensorrt_cannot_take_is_explained(
    tmp_path: Path, old_files: dict[str, bytes], write: Callable[[Path], Path], message: str
) -> None:
    onnx = write(tmp_path / "model.onnx")
    with pytest.raises(ModelError, match=message) as caught:
        build_engine(onnx, tmp_path / "engine.plan", ORIN, trt=trt)
    assert "\n" not in str(caught.value)
    assert files(tmp_path) == old_files


def test_a_file_for_images_of_any_size_is_refused(
    tmp_path: Path, old_files: dict[str, bytes]
) -> None:
    onnx = graphs.convolution(tmp_path / "model.onnx", "fp32", ("h", "w"))
    with pytest.raises(ModelError, match=r"input image is 1x3x\?x\?: export it with a size"):
        build_engine(onnx, tmp_path / "engine.plan", ORIN, trt=trt)
    assert files(tmp_path) == old_files


@pytest.mark.parametrize("options", [kind for kind in KINDS if "size" in kind], ids=str)
def test_every_kind_of_export_builds(
    tmp_path: Path, export: Export, options: dict[str, Any]
) -> None:
    asked = EngineOptions(options.get("precision", "fp32"))
    onnx, engine = export(**options).path, tmp_path / "engine.plan"
    manifest = build_engine(onnx, engine, ORIN, asked, trt=trt)
    assert engine.stat().st_size > 100_000
    assert set(manifest.layers["CONVOLUTION"]) == {PRECISIONS[asked.precision or "fp32"]}


def test_an_8_bit_export_builds(tmp_path: Path, int8_file: Path) -> None:
    options = EngineOptions("int8")
    manifest = build_engine(int8_file, tmp_path / "engine.plan", ORIN, options, trt=trt)
    assert manifest.layers["CONVOLUTION"]["INT8"] > 20
    with pytest.raises(ModelError, match=r"is not fp16: .* int8"):
        build_engine(int8_file, tmp_path / "engine.plan", ORIN, EngineOptions("fp16"), trt=trt)


@pytest.mark.parametrize(
    ("device", "asked", "limit"),
    [(ORIN, None, TEGRA_WORKSPACE_BYTES), (ORIN, 2 << 30, 2 << 30), (RTX, 1 << 28, 1 << 28)],
)
def test_the_workspace_is_limited_where_memory_is_shared(
    tmp_path: Path, device: DeviceFacts, asked: int | None, limit: int
) -> None:
    onnx = graphs.convolution(tmp_path / "model.onnx", "fp32")
    options = EngineOptions(workspace_bytes=asked)
    manifest = build_engine(onnx, tmp_path / "engine.plan", device, options, trt=trt)
    assert manifest.workspace_bytes == limit


def test_a_workspace_in_which_nothing_can_be_computed_is_told(tmp_path: Path) -> None:
    onnx = graphs.convolution(tmp_path / "model.onnx", "fp32")
    options = EngineOptions(workspace_bytes=1 << 20)
    with pytest.raises(ModelError, match="increase the allowed workspace size"):
        build_engine(onnx, tmp_path / "engine.plan", RTX, options, trt=trt)


def test_elsewhere_tensorrt_has_its_own_limit(tmp_path: Path) -> None:
    onnx = graphs.convolution(tmp_path / "model.onnx", "fp32")
    config = trt.Builder(trt.Logger()).create_builder_config()
    limit = config.get_memory_pool_limit(trt.MemoryPoolType.WORKSPACE)
    manifest = build_engine(onnx, tmp_path / "engine.plan", RTX, trt=trt)
    assert manifest.workspace_bytes == limit != TEGRA_WORKSPACE_BYTES


def test_every_phase_is_told_from_its_beginning_to_its_end(tmp_path: Path) -> None:
    onnx = graphs.convolution(tmp_path / "model.onnx", "fp32")
    steps: list[BuildStep] = []
    build_engine(onnx, tmp_path / "engine.plan", ORIN, progress=steps.append, trt=trt)
    (first, last) = steps[0], steps[-1]
    assert len(first.phases) == 1
    assert (first.done, last.done) == (0, last.total)
    assert {step.phases for step in steps if step.done == 0} == {step.phases for step in steps}
    for step in steps:
        assert 0 <= step.done <= step.total
        assert step.phases[:1] == first.phases  # all lie within the first


def test_what_progress_raises_cancels(tmp_path: Path, old_files: dict[str, bytes]) -> None:
    onnx = graphs.convolution(tmp_path / "model.onnx", "fp32")
    told: list[BuildStep] = []

    def stop(step: BuildStep) -> None:
        told.append(step)
        raise ZeroDivisionError("enough")

    with pytest.raises(ZeroDivisionError, match="enough"):
        build_engine(onnx, tmp_path / "engine.plan", ORIN, progress=stop, trt=trt)
    assert len(told) == 1
    assert files(tmp_path) == old_files


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_cancels(tmp_path: Path, old_files: dict[str, bytes]) -> None:
    onnx = graphs.convolution(tmp_path / "model.onnx", "fp32")

    told: list[BuildStep] = []

    def press(step: BuildStep) -> None:
        told.append(step)
        if step.done == 1:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.5)  # for the main thread to notice

    with pytest.raises(KeyboardInterrupt):
        build_engine(onnx, tmp_path / "engine.plan", ORIN, progress=press, trt=trt)
    assert told[-1].done == 1  # not to the end
    assert files(tmp_path) == old_files


class Runtime:
    """Loads any plan, as no TensorRT does without a GPU."""

    def __init__(self, log: Any) -> None:
        assert isinstance(log, trt.ILogger)

    def deserialize_cuda_engine(self, plan: bytes) -> str:
        return f"engine of {len(plan)} bytes"


@pytest.fixture
def trt_that_loads() -> ModuleType:
    module = ModuleType("tensorrt_rtx")
    vars(module).update(vars(trt), Runtime=Runtime)
    return module


def test_an_accepted_engine_is_written(tmp_path: Path, trt_that_loads: ModuleType) -> None:
    onnx, engine = graphs.convolution(tmp_path / "a.onnx", "fp32"), tmp_path / "engine.plan"
    seen: list[object] = []

    def accept(loaded: object) -> None:
        assert not engine.exists()
        seen.append(loaded)

    build_engine(onnx, engine, ORIN, accept=accept, trt=trt_that_loads)
    assert seen == [f"engine of {engine.stat().st_size} bytes"]


def test_a_refused_engine_is_not_written(
    tmp_path: Path, old_files: dict[str, bytes], trt_that_loads: ModuleType
) -> None:
    onnx = graphs.convolution(tmp_path / "a.onnx", "fp32")

    def refuse(loaded: object) -> None:
        raise ModelError("wrong numbers")

    with pytest.raises(ModelError, match="wrong numbers"):
        build_engine(onnx, tmp_path / "engine.plan", ORIN, accept=refuse, trt=trt_that_loads)
    assert files(tmp_path) == old_files


def test_without_a_gpu_tensorrts_own_words_say_why_nothing_loads(tmp_path: Path) -> None:
    onnx, engine = graphs.convolution(tmp_path / "a.onnx", "fp32"), tmp_path / "engine.plan"
    manifest = build_engine(onnx, engine, ORIN, trt=trt)
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(ModelError, match=r"is refused by TensorRT .* \(.*cudaError 35.*\): run"):
        load_engine(engine, manifest, ORIN, trt)


@pytest.mark.parametrize("change", ["model", "device", "workspace"])
def test_what_has_changed_is_built_again(tmp_path: Path, change: str) -> None:
    onnx, engine = tmp_path / "model.onnx", tmp_path / "engine.plan"
    graphs.convolution(onnx, "fp32")
    options, device = EngineOptions(), ORIN
    build_engine(onnx, engine, device, options, trt=trt)
    if change == "model":
        graphs.convolution(onnx, "fp16")
    elif change == "device":
        device = replace(ORIN, multiprocessors=8)
    else:
        options = EngineOptions(workspace_bytes=2 << 30)
    assert not is_up_to_date(engine, onnx, device, options, trt)
    build_engine(onnx, engine, device, options, trt=trt)
    assert is_up_to_date(engine, onnx, device, options, trt)


@pytest.mark.filterwarnings("ignore:Use Deprecated:DeprecationWarning")  # nothing is timed for RTX
def test_the_timing_cache_is_kept(tmp_path: Path) -> None:
    onnx, cache = graphs.convolution(tmp_path / "a.onnx", "fp32"), tmp_path / "timing.cache"
    for _ in range(2):
        build_engine(onnx, tmp_path / "engine.plan", ORIN, timing_cache=cache, trt=trt)
        assert cache.stat().st_size > 0
    assert set(files(tmp_path)) == {"engine.plan", "engine.json", "timing.cache"}


@pytest.mark.filterwarnings("ignore:Use Deprecated:DeprecationWarning")
def test_an_engine_is_worth_more_than_the_timing_cache(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    onnx, cache = graphs.convolution(tmp_path / "a.onnx", "fp32"), tmp_path / "gone/timing.cache"
    with caplog.at_level(logging.WARNING):
        build_engine(onnx, tmp_path / "engine.plan", ORIN, timing_cache=cache, trt=trt)
    assert "timing.cache cannot be written" in caplog.text
    assert set(files(tmp_path)) == {"engine.plan", "engine.json"}


def test_a_missing_folder_is_told_before_minutes_have_passed(tmp_path: Path) -> None:
    onnx = graphs.convolution(tmp_path / "a.onnx", "fp32")

    def never(step: BuildStep) -> None:
        raise AssertionError("built")

    with pytest.raises(SinkError, match="gone is not a folder"):
        build_engine(onnx, tmp_path / "gone/engine.plan", ORIN, progress=never, trt=trt)


def test_a_build_needs_neither_torch_nor_onnx(tmp_path: Path) -> None:
    onnx = graphs.convolution(tmp_path / "model.onnx", "fp16")
    code = """
import sys
from pathlib import Path
for name in ("torch", "onnx", "onnxruntime", "triton", "tensorrt", "pycuda"):
    sys.modules[name] = None  # importing it fails
import tensorrt_rtx
from streamseg.export.build_progress import build_bars
from streamseg.release.engine_manifest import EngineOptions
from streamseg.export.to_tensorrt import build_engine
from streamseg.release.device_facts import DeviceFacts
facts = DeviceFacts("Orin", (8, 7), 16, (12, 6), 8 << 30, 166912)
path, options = Path(sys.argv[1]), EngineOptions("fp16")
with build_bars() as progress:
    plan = path.with_suffix(".plan")
    build_engine(path, plan, facts, options, progress=progress, trt=tensorrt_rtx)
"""
    command = [sys.executable, "-W", "error", "-c", code, str(onnx)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "model.plan").stat().st_size > 1000

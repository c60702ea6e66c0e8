"""With a TensorRT of the test's own: the real one loads nothing without a GPU."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from streamseg.errors import DeviceError, MissingExtraError, ModelError
from streamseg.export.to_tensorrt import build_engine
from streamseg.release.device_facts import DeviceFacts
from streamseg.release.engine_file import is_up_to_date, load_engine
from streamseg.release.engine_manifest import EngineManifest, EngineOptions, manifest_path

ORIN = DeviceFacts("Orin", (8, 7), 16, (12, 6), 8 << 30, 166912)
PLAN = b"ftrt" + bytes(20) + bytes([10, 3, 0, 30]) + b"layers"


class Logger:
    """What TensorRT calls."""


class Runtime:
    """Loads ``PLAN``; says of everything else what TensorRT says."""

    def __init__(self, log: Any) -> None:
        self.log = log

    def deserialize_cuda_engine(self, plan: bytes) -> str | None:
        if plan == PLAN:
            return "engine"
        error = type("Severity", (), {"name": "ERROR"})
        self.log.log(error, "IRuntime::deserializeCudaEngine: Error Code 1: Serialization (bad)")
        return None


@pytest.fixture
def trt() -> ModuleType:
    module = ModuleType("tensorrt")
    vars(module).update(__version__="10.3.0", ILogger=Logger, Runtime=Runtime)
    return module


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    """An engine with its manifest, beside its ONNX file."""
    (tmp_path / "model.onnx").write_bytes(b"onnx")
    path = tmp_path / "engine.plan"
    path.write_bytes(PLAN)
    manifest_path(path).write_text(manifest().to_json())
    return path


def manifest() -> EngineManifest:
    return EngineManifest(
        tensorrt="10.3.0",
        device=ORIN,
        onnx_sha256=hashlib.sha256(b"onnx").hexdigest(),
        plan_sha256=hashlib.sha256(PLAN).hexdigest(),
        workspace_bytes=1 << 30,
        optimization_level=3,
        flags=(),
        layers={"CONVOLUTION": {"HALF": 3}},
        build_seconds=1.0,
        streamseg="0.1.0",
        options=EngineOptions(),
    )


def test_an_engine_that_fits_is_loaded(engine: Path, trt: ModuleType) -> None:
    sha256 = manifest().onnx_sha256
    assert load_engine(engine, manifest(), ORIN, trt, onnx_sha256=sha256) == "engine"
    assert load_engine(PLAN, manifest(), ORIN, trt) == "engine"
    assert load_engine(PLAN, None, ORIN, trt) == "engine"


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (PLAN[:-1], "is not the engine that its manifest describes: run"),
        (PLAN + b"more", "is not the engine that its manifest describes"),
        (PLAN[:20], "is not an engine of TensorRT"),
        (b"", "is not an engine of TensorRT"),
        (b"\x7fELF" + PLAN, "is not an engine of TensorRT"),
    ],
)
def test_a_truncated_or_changed_engine_is_refused(
    engine: Path, trt: ModuleType, plan: bytes, message: str
) -> None:
    engine.write_bytes(plan)
    with pytest.raises(ModelError, match=rf"engine\.plan {message}"):
        load_engine(engine, manifest(), ORIN, trt)


def test_a_missing_engine_says_what_to_do(tmp_path: Path, trt: ModuleType) -> None:
    with pytest.raises(ModelError, match=r"engine\.plan does not exist: run `streamseg build`"):
        load_engine(tmp_path / "engine.plan", None, ORIN, trt)
    with pytest.raises(ModelError, match="cannot be read"):
        load_engine(tmp_path, None, ORIN, trt)


def test_an_engine_for_another_machine_is_not_given_to_tensorrt(
    engine: Path, trt: ModuleType
) -> None:
    del trt.Runtime
    other = replace(manifest(), tensorrt="10.7.0")
    expected = (
        r"engine\.plan was built with TensorRT 10\.7\.0 on Orin sm_87; "
        r"this machine has TensorRT 10\.3\.0 on Orin sm_87: run `streamseg build`"
    )
    with pytest.raises(ModelError, match=expected):
        load_engine(engine, other, ORIN, trt)
    with pytest.raises(ModelError, match="was built from another ONNX file"):
        load_engine(engine, manifest(), ORIN, trt, onnx_sha256="89ab")


def test_what_tensorrt_refuses_is_told_with_its_reason_and_both_versions(trt: ModuleType) -> None:
    plan = PLAN.replace(bytes([10, 3, 0, 30]), bytes([10, 16, 2, 10]))
    expected = (
        r"the engine, of TensorRT 10\.16\.2\.10, is refused by TensorRT 10\.3\.0 on Orin sm_87 "
        r"\(Serialization \(bad\)\): run `streamseg build`"
    )
    with pytest.raises(ModelError, match=expected):
        load_engine(plan, None, ORIN, trt)


def test_a_runtime_that_does_not_start_is_a_matter_of_the_device(trt: ModuleType) -> None:
    def nothing(log: Any) -> None:
        error = type("Severity", (), {"name": "INTERNAL_ERROR"})
        log.log(error, "CUDA initialization failure with error: 35.")
        raise TypeError("pybind11::init(): factory function returned nullptr")

    vars(trt)["Runtime"] = nothing
    with pytest.raises(DeviceError, match=r"TensorRT 10\.3\.0 does not start: .* error: 35"):
        load_engine(PLAN, None, ORIN, trt)


def remove(path: Path) -> None:
    path.unlink()


def spoil(path: Path) -> None:
    path.write_bytes(b"{")


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("engine.plan", remove),
        ("engine.plan", spoil),
        ("engine.json", remove),
        ("engine.json", spoil),
        ("model.onnx", spoil),
    ],
)
def test_what_is_missing_or_changed_is_a_reason_to_build(
    engine: Path, trt: ModuleType, name: str, change: Callable[[Path], None]
) -> None:
    onnx = engine.with_name("model.onnx")
    assert is_up_to_date(engine, onnx, ORIN, EngineOptions("fp16"), trt)
    change(engine.with_name(name))
    assert not is_up_to_date(engine, onnx, ORIN, EngineOptions("fp16"), trt)


def test_an_engine_of_another_precision_is_a_reason_to_build(engine: Path, trt: ModuleType) -> None:
    onnx = engine.with_name("model.onnx")
    assert not is_up_to_date(engine, onnx, ORIN, EngineOptions("int8"), trt)


def test_without_tensorrt_the_extra_is_named(engine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    onnx = engine.with_name("model.onnx")
    for use in (
        lambda: load_engine(engine, None, ORIN),
        lambda: is_up_to_date(engine, onnx, ORIN),
        lambda: build_engine(onnx, engine, ORIN),
    ):
        with pytest.raises(MissingExtraError, match=r"tensorrt is not installed: .*\[tensorrt\]"):
            use()


def test_bindings_without_their_libraries_are_not_called_missing(
    engine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tensorrt.py").write_text("raise ImportError('libnvinfer.so.10: cannot open')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "tensorrt", raising=False)
    with pytest.raises(DeviceError, match=r"TensorRT does not load: libnvinfer\.so\.10"):
        load_engine(engine, None, ORIN)

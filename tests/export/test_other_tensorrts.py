"""What TensorRT for RTX cannot show: versions that are too old, timing caches that do not fit."""

from __future__ import annotations

import logging
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from streamseg.errors import ModelError
from streamseg.export.to_tensorrt import _use_timing_cache, build_engine
from streamseg.release.device_facts import DeviceFacts
from streamseg.release.tensorrt_module import LoggedErrors, readable

ORIN = DeviceFacts("Orin", (8, 7), 16, (11, 4), 8 << 30, 166912)


def test_a_tensorrt_without_strongly_typed_networks_is_too_old(tmp_path: Path) -> None:
    trt: Any = ModuleType("tensorrt")
    vars(trt).update(
        __version__="8.5.2.2",
        ILogger=object,
        Builder=lambda log: SimpleNamespace(),
        NetworkDefinitionCreationFlag=SimpleNamespace(EXPLICIT_BATCH=0),
    )
    onnx = tmp_path / "model.onnx"
    onnx.write_bytes(b"onnx")
    with pytest.raises(ModelError, match=r"TensorRT 8\.5\.2\.2 is not supported: 10\.3 to 11\.4"):
        build_engine(onnx, tmp_path / "engine.plan", ORIN, trt=trt)


class Config:
    """Knows its own caches, ``good`` and the empty one."""

    def __init__(self, *, broken_is_none: bool) -> None:
        self.broken_is_none = broken_is_none
        self.cache: bytes | None = None

    def create_timing_cache(self, saved: bytes) -> bytes | None:
        return None if saved == b"bad" and self.broken_is_none else saved

    def set_timing_cache(self, cache: bytes, ignore_mismatch: bool) -> bool:
        if cache != b"bad" and not ignore_mismatch:
            self.cache = cache
        return cache != b"bad"


@pytest.mark.parametrize("broken_is_none", [True, False])
@pytest.mark.parametrize(
    ("saved", "used"), [(b"good", b"good"), (b"bad", b""), (None, b"")], ids=str
)
def test_a_timing_cache_that_does_not_fit_is_replaced(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    saved: bytes | None,
    used: bytes,
    broken_is_none: bool,
) -> None:
    path, config = tmp_path / "timing.cache", Config(broken_is_none=broken_is_none)
    if saved:
        path.write_bytes(saved)
    with caplog.at_level(logging.WARNING):
        _use_timing_cache(config, path)
    assert config.cache == used
    assert ("is of another TensorRT or GPU" in caplog.text) == (saved == b"bad")


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (
            "IBuilder::buildSerializedNetwork: Error Code 4: API Usage Error (ITopKLayer tk: K "
            "exceeds the maximum. In processCheck at /_src/shapeof/a.cpp:1066 In analyze at "
            "/_src/b.cpp:2825)",
            "API Usage Error (ITopKLayer tk: K exceeds the maximum.)",
        ),
        (
            "[checkMacros.cpp::catchCudaError::250] Error Code 1: Cuda Runtime (In catchCudaError "
            "at /_src/checkMacros.cpp:250 (cudaError 2: out of memory))",
            "Cuda Runtime (cudaError 2: out of memory)",
        ),
        ("Invalid Node - tk\nof types Float and Half", "of types Float and Half"),
        ("", ""),
    ],
)
def test_messages_are_told_without_places_in_the_source(message: str, told: str) -> None:
    assert readable(message) == told


def test_of_many_errors_the_first_few_are_told_once() -> None:
    errors = LoggedErrors()
    assert str(errors) == "TensorRT gave no reason"
    errors.lines += ["one", "one", "two", "three", "four"]
    assert str(errors) == "one; two; three"

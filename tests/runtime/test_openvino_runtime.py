"""OpenVINO gives the outputs of ONNX Runtime, and is chosen where it is faster."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_export import Export

from streamseg import loading
from streamseg.errors import ConfigError, InputError, MissingExtraError, ModelError
from streamseg.frame import Image
from streamseg.loading import SHIPPED_MODEL, open_runtime
from streamseg.release.parity import TOLERANCES, compare
from streamseg.runtime.onnx import OnnxRuntime

pytest.importorskip("openvino")

from openvino import Core

from streamseg.runtime.openvino import OpenVinoRuntime


def images(*sizes: tuple[int, int]) -> list[Image]:
    """Coarse patterns, which make objects."""
    rng = np.random.default_rng(0)
    return [
        rng.integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8)
        .repeat(16, 0)
        .repeat(16, 1)
        for width, height in sizes
    ]


def test_the_shipped_model_says_the_same_at_every_size() -> None:
    reference, found = OnnxRuntime(SHIPPED_MODEL), OpenVinoRuntime(SHIPPED_MODEL)
    assert found.config == reference.config
    parity = compare(reference, found, images((160, 96), (96, 160), (224, 224)))
    # loose, because OpenVINO may compute in bfloat16
    parity.check(TOLERANCES["int8"])


def test_it_is_compiled_for_the_first_size_and_for_others_that_come_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compiled = []

    class Recording(Core):  # type: ignore[misc]
        def compile_model(self, model: Any, *rest: Any) -> Any:
            shape = model.inputs[0].partial_shape
            compiled.append(tuple(shape.to_shape())[1:3] if shape.is_static else "all sizes")
            return super().compile_model(model, *rest)

    monkeypatch.setattr("streamseg.runtime.openvino.Core", Recording)
    found = OpenVinoRuntime(SHIPPED_MODEL)
    told = []
    for image in images((96, 64), (96, 64), (64, 64), (32, 64), (64, 64), (96, 64)):
        found.run(image)
        told.append(len(compiled))
    assert compiled == [(64, 96), "all sizes", (64, 64)]
    assert told == [1, 1, 2, 2, 3, 3]


@pytest.mark.parametrize(
    "kind", [{}, {"size": (96, 64)}, {"precision": "fp16", "size": (96, 64), "channels_last": True}]
)
def test_every_export_runs_in_float(kind: dict[str, Any], export: Export) -> None:
    path = export(**kind).path
    found = OpenVinoRuntime(path, precision="f32")
    assert found.size == kind.get("size")
    parity = compare(OnnxRuntime(path), found, images((96, 64)))
    parity.check(TOLERANCES[kind.get("precision", "fp32")])
    if found.size:
        with pytest.raises(InputError, match="images of 96x64 only, got 64x96"):
            found.run(images((64, 96))[0])


def test_it_is_taken_where_it_is_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "has_cuda_gpu", lambda: False)
    for faster, runtime in ((True, OpenVinoRuntime), (False, OnnxRuntime)):
        monkeypatch.setattr(loading, "prefers_openvino", lambda faster=faster: faster)
        assert isinstance(open_runtime(SHIPPED_MODEL), runtime)
        assert isinstance(open_runtime(SHIPPED_MODEL, "onnx"), OnnxRuntime)


@pytest.mark.parametrize(
    ("flags", "faster"),
    [("fma amx_bf16 amx_tile", True), ("fma avx512_bf16", True), ("fma", False), (None, False)],
)
def test_it_is_faster_on_cpus_that_compute_in_bfloat16(
    flags: str | None, faster: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "cpuinfo"
    if flags:
        file.write_text(f"processor: 0\nflags: {flags}\n")
    monkeypatch.setattr(loading, "CPU_FLAGS", file)
    assert loading.prefers_openvino() is faster


def test_it_is_left_alone_where_it_is_installed_and_does_not_load(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text("flags: amx_bf16")
    monkeypatch.setattr(loading, "CPU_FLAGS", file)
    monkeypatch.setattr(loading, "find_spec", lambda name: name == "openvino")
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.delitem(sys.modules, "streamseg.runtime.openvino")
    assert not loading.prefers_openvino()


def test_what_cannot_be_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        OpenVinoRuntime(tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_text("some text")
    with pytest.raises(ModelError, match="is not an ONNX model that can be run"):
        OpenVinoRuntime(tmp_path / "text.onnx")
    with pytest.raises(ConfigError, match=r"precision must be .* on this CPU, got 'fp4'"):
        OpenVinoRuntime(SHIPPED_MODEL, precision="fp4")


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.delitem(sys.modules, "streamseg.runtime.openvino")
    with pytest.raises(MissingExtraError, match=r"streamseg\[openvino\]"):
        open_runtime(SHIPPED_MODEL, "openvino")

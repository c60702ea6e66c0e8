from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from streamseg.errors import InputError, ModelError
from streamseg.release.device_facts import DeviceFacts
from streamseg.release.engine_manifest import (
    EngineManifest,
    EngineOptions,
    manifest_path,
    plan_version,
    read_manifest,
)

ORIN = DeviceFacts("Orin", (8, 7), 16, (12, 6), 8 << 30, 166912)
THOR = DeviceFacts("Thor", (11, 0), 20, (13, 0), 128 << 30, 232448)
MANIFEST = EngineManifest(
    tensorrt="10.16.2.10",
    device=THOR,
    onnx_sha256="0123",
    plan_sha256="4567",
    workspace_bytes=1 << 30,
    optimization_level=3,
    flags=("TF32",),
    layers={"CONVOLUTION": {"FLOAT": 2, "HALF": 60}},
    build_seconds=312.5,
    streamseg="0.1.0",
    options=EngineOptions("fp16"),
)


def test_another_version_on_another_gpu_is_one_sentence() -> None:
    small = replace(ORIN, multiprocessors=20, driver_version=(13, 0))
    assert MANIFEST.why_unusable("10.3.0", small) == (
        "was built with TensorRT 10.16.2.10 on Thor sm_110; "
        "this machine has TensorRT 10.3.0 on Orin sm_87: run `streamseg build`"
    )


@pytest.mark.parametrize(
    ("device", "told"),
    [
        (
            replace(THOR, multiprocessors=12),
            "10.16.2.10 on Thor sm_110 with 20 multiprocessors; "
            "this machine has TensorRT 10.16.2.10 on Thor sm_110 with 12 multiprocessors: run",
        ),
        (
            replace(THOR, driver_version=(13, 2)),
            "on Thor sm_110 with a driver of CUDA 13.0; "
            "this machine has TensorRT 10.16.2.10 on Thor sm_110 with a driver of CUDA 13.2: run",
        ),
        (
            ORIN,
            "on Thor sm_110 with 20 multiprocessors and a driver of CUDA 13.0; "
            "this machine has TensorRT 10.16.2.10 on Orin sm_87 with 16 multiprocessors and a "
            "driver of CUDA 12.6",
        ),
        (
            replace(THOR, name="Thor-U"),
            "on Thor sm_110; this machine has TensorRT 10.16.2.10 on Thor-U sm_110",
        ),
    ],
)
def test_all_that_must_agree_of_the_gpu_is_compared(device: DeviceFacts, told: str) -> None:
    assert told in (MANIFEST.why_unusable("10.16.2.10", device) or "")


def test_free_memory_may_differ() -> None:
    assert MANIFEST.why_unusable("10.16.2.10", replace(THOR, memory_bytes=1)) is None


@pytest.mark.parametrize(
    ("onnx_sha256", "options", "told"),
    [
        ("0123", EngineOptions(), None),
        ("0123", MANIFEST.options, None),
        ("89ab", None, "was built from another ONNX file: run `streamseg build`"),
        (None, EngineOptions(workspace_bytes=5), "was built with a workspace of 1073741824 bytes"),
        (None, EngineOptions("fp32"), "is not fp32: .* 62 .* as 2 fp32, 60 fp16: run"),
    ],
)
def test_all_that_was_asked_for_is_compared(
    onnx_sha256: str | None, options: EngineOptions | None, told: str | None
) -> None:
    reason = MANIFEST.why_unusable("10.16.2.10", THOR, onnx_sha256=onnx_sha256, options=options)
    assert reason is None if told is None else re.search(told, reason or "")


def test_a_manifest_is_read_back(tmp_path: Path) -> None:
    engine = tmp_path / "engine.plan"
    assert read_manifest(engine) is None
    assert manifest_path(engine) == tmp_path / "engine.json"
    manifest_path(engine).write_text(MANIFEST.to_json())
    assert read_manifest(engine) == MANIFEST


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "null",
        '{"format": 2}',
        MANIFEST.to_json()[:-40],
        MANIFEST.to_json().replace('"multiprocessors"', '"cores"'),
        MANIFEST.to_json().replace('"plan_sha256"', '"sha"'),
        MANIFEST.to_json().replace("60", '"many"'),
        MANIFEST.to_json().replace("232448", "2.5"),
        MANIFEST.to_json().replace('"fp16"', '"fp17"'),
    ],
)
def test_a_broken_manifest_is_an_error_of_ours(tmp_path: Path, text: str) -> None:
    (tmp_path / "engine.json").write_text(text)
    with pytest.raises(ModelError, match=r"engine\.json is not the manifest of an engine .*: run"):
        read_manifest(tmp_path / "engine.plan")


def test_no_damage_to_a_manifest_ends_in_another_error(tmp_path: Path) -> None:
    """Every value replaced by things of other types, one at a time."""
    values = json.loads(MANIFEST.to_json())
    for key in values:
        others: list[Any] = [None, 7, "text", [], [1], {}, {"image": 1}, {"a": {"b": []}}]
        for wrong in others:
            (tmp_path / "engine.json").write_text(json.dumps({**values, key: wrong}))
            try:
                manifest = read_manifest(tmp_path / "engine.plan")
            except ModelError:
                continue
            assert manifest is not None  # and comparing it works
            manifest.why_unusable("10.3.0", ORIN, onnx_sha256="0", options=MANIFEST.options)


def test_a_manifest_of_another_format_names_its_version(tmp_path: Path) -> None:
    values = {**json.loads(MANIFEST.to_json()), "format": 3, "streamseg": "9.9"}
    (tmp_path / "engine.json").write_text(json.dumps(values))
    with pytest.raises(ModelError, match=r"was written by streamseg 9\.9: run"):
        read_manifest(tmp_path / "engine.plan")


@pytest.mark.parametrize(
    ("plan", "version"),
    [
        (b"ftrt" + bytes(20) + bytes([10, 16, 2, 10]) + bytes(100), "10.16.2.10"),
        (b"vtrt" + bytes(20) + bytes([1, 7, 1, 116]), "1.7.1.116"),
        (b"ftrt" + bytes(20) + bytes([10, 16, 2]), None),
        (b"TRTF" + bytes(100), None),
        (b"", None),
    ],
)
def test_a_plan_names_its_version(plan: bytes, version: str | None) -> None:
    assert plan_version(plan) == version


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "fp8"}, "precision must be one of fp32, fp16, int8, got 'fp8'"),
        ({"workspace_bytes": 0}, "workspace_bytes must be at least 1, got 0"),
    ],
)
def test_options_must_make_sense(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        EngineOptions(**options)

from __future__ import annotations

import logging
import shutil
import sys
from collections import Counter
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.testing import assert_allclose
from onnx import TensorProto, shape_inference
from small_export import KINDS, SIZE, Export
from small_model import SMALL

from streamseg.config import ModelConfig
from streamseg.errors import InputError, MissingExtraError, ModelError
from streamseg.export.lint import lint_onnx
from streamseg.export.to_onnx import export_onnx
from streamseg.frame import Image
from streamseg.model.network import Network
from streamseg.model.weights import network_from
from streamseg.release.parity import TOLERANCES
from streamseg.runtime.onnx import OnnxRuntime
from streamseg.runtime.torch_cpu import TorchRuntime

VARIANTS = [kind for kind in KINDS if kind]


def noise(width: int, height: int) -> Image:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)


def check_agreement(network: Network, path: Path, image: Image, tolerance: float) -> None:
    ours, theirs = OnnxRuntime(path, threads=1).run(image), TorchRuntime.copy_of(network).run(image)
    for given, right in zip(vars(ours).values(), vars(theirs).values(), strict=True):
        assert given.dtype == np.float32
        assert given.flags.c_contiguous
        assert_allclose(given, right, rtol=0, atol=tolerance * np.abs(right).max())


def torch_onnx_writes(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make torch's exporter give this graph, whatever network it is asked for."""

    def write(module: Any, example: Any, path: Path, **options: Any) -> None:
        shutil.copy(source, path)

    monkeypatch.setattr(torch.onnx, "export", write)


def test_the_export_leaves_one_file_and_the_network_as_it_was(
    small_network: Network, export: Export
) -> None:
    assert 0 <= export().difference <= TOLERANCES["fp32"].relative
    assert [path.name for path in export().path.parent.iterdir()] == ["model.onnx"]
    assert small_network.training
    assert logging.getLogger("torch.onnx").level != logging.ERROR


@pytest.mark.parametrize(("width", "height"), [(32, 32), (224, 64), (192, 128)])
def test_the_file_runs_at_every_multiple_of_32(
    small_network: Network, export: Export, width: int, height: int
) -> None:
    check_agreement(small_network, export().path, noise(width, height), 1e-3)


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_every_kind_of_file_agrees_with_torch(
    small_network: Network, export: Export, options: dict[str, Any]
) -> None:
    tolerance = TOLERANCES[options["precision"]].relative
    check_agreement(small_network, export(**options).path, noise(*SIZE), tolerance)


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_every_kind_of_file_is_one_that_tensorrt_reads(
    export: Export, options: dict[str, Any]
) -> None:
    path = export(**options).path
    model = onnx.load(path, load_external_data=False)
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 20)]
    assert model.ir_version == 10
    assert lint_onnx(model) == []
    assert [file.name for file in path.parent.iterdir()] == ["model.onnx"]
    kinds = Counter(node.op_type for node in model.graph.node)
    assert "BatchNormalization" not in kinds
    assert kinds["Conv"] > 30


@pytest.mark.parametrize("options", VARIANTS[1:], ids=str)
def test_half_precision_is_where_the_plan_says(export: Export, options: dict[str, Any]) -> None:
    model = shape_inference.infer_shapes(onnx.load(export(**options).path))
    graph = model.graph
    kind = {value.name: value.type.tensor_type.elem_type for value in graph.value_info}
    kind |= {
        value.name: value.type.tensor_type.elem_type for value in (*graph.input, *graph.output)
    }
    kind |= {tensor.name: tensor.data_type for tensor in graph.initializer}
    half, whole = TensorProto.FLOAT16, TensorProto.FLOAT
    assert {kind[value.name] for value in graph.output} == {half}
    assert kind["image"] == TensorProto.UINT8
    for node in graph.node:
        if node.op_type in ("Conv", "Resize", "Relu", "Sigmoid"):
            assert kind[node.output[0]] == half, node.name
        if node.op_type == "Range" or "network.mean" in node.input or "network.std" in node.input:
            assert kind[node.output[0]] == whole, node.name
    casts = Counter(
        (kind[node.input[0]], kind[node.output[0]]) for node in graph.node if node.op_type == "Cast"
    )
    assert casts[TensorProto.UINT8, whole] == 1
    # pixels, classes, and coordinates unless they are constants
    assert casts[whole, half] <= 3
    assert casts[half, whole] == 1  # logits of the classes, whose softmax is in float32
    assert sum(casts.values()) <= (4 if options.get("size") else 9)  # four of sizes


def test_channels_last_is_another_output(export: Export) -> None:
    graph = onnx.load(export(precision="fp16", size=SIZE, channels_last=True).path).graph
    shapes = {
        value.name: [d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in graph.output
    }
    width, height = SIZE[0] // 4, SIZE[1] // 4
    assert shapes == {
        "embeddings_channels_last": [1, height, width, SMALL.embedding_dim],
        "foreground": [1, 2, height, width],
        "classes": [1, 2, height // 2, width // 2],
    }


def test_a_file_for_one_size_says_so_when_it_gets_another(export: Export) -> None:
    runtime = OnnxRuntime(export(precision="fp32", size=SIZE).path, threads=1)
    assert runtime.size == SIZE
    with pytest.raises(InputError, match="exported for images of 96x64 only, got 64x96"):
        runtime.run(noise(64, 96))
    assert OnnxRuntime(export(precision="fp16").path, threads=1).size is None


@pytest.mark.parametrize("size", [(100, 64), (96, 0), (8192, 64)])
def test_a_size_that_no_network_takes_is_refused(
    small_network: Network, size: tuple[int, int], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=f"multiples of 32 up to 4096, got {size[0]}x{size[1]}"):
        export_onnx(small_network, tmp_path / "model.onnx", size=size)


def test_the_files_metadata_hold_the_config(export: Export) -> None:
    assert OnnxRuntime(export().path, threads=1).config == SMALL
    assert OnnxRuntime(export(precision="fp16").path, threads=1).config == SMALL


def test_the_file_tells_nothing_of_the_machine_that_wrote_it(export: Export) -> None:
    assert b'File "' not in export().path.read_bytes()  # as in stack traces


@pytest.mark.parametrize(("wrong", "message"), [(3.0, "differs by"), (torch.nan, "holds NaN")])
def test_a_graph_that_disagrees_is_refused_and_the_old_file_stays(
    small_network: Network,
    export: Export,
    wrong: float,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch_onnx_writes(export().path, monkeypatch)
    other = deepcopy(small_network)
    *_, bias = other.get_submodule("pixel_head.embedding").parameters()
    bias.data += wrong
    old = tmp_path / "model.onnx"
    old.write_bytes(b"old")
    with pytest.raises(ModelError, match=f"differs from torch: output embeddings {message}"):
        export_onnx(other, old)
    assert old.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [old]


@pytest.mark.parametrize(
    ("name", "weight"),
    [("foreground", "pixel_head.foreground.weight"), ("classes", "class_head.weight")],
)
def test_what_leaves_the_range_of_half_precision_is_refused(
    small_network: Network, name: str, weight: str, tmp_path: Path
) -> None:
    other = deepcopy(small_network)
    other.get_parameter(weight).data *= 1e6
    with pytest.raises(
        ModelError, match=f"differs from torch: output {name} holds NaN or infinity"
    ):
        export_onnx(other, tmp_path / "model.onnx", precision="fp16", size=SIZE)
    assert not list(tmp_path.iterdir())


def test_what_tensorrt_would_refuse_is_listed(
    small_network: Network, export: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = onnx.load(export().path)
    model.opset_import[0].version = 21
    newer = tmp_path / "newer.onnx"
    onnx.save(model, newer)
    torch_onnx_writes(newer, monkeypatch)
    with pytest.raises(ModelError, match=r"TensorRT 10\.3 would refuse .*\n.*opset 21"):
        export_onnx(small_network, tmp_path / "model.onnx", precision="fp16")
    assert list(tmp_path.iterdir()) == [newer]


def test_without_onnxscript_the_extra_is_named(
    small_network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("onnxscript", "onnxscript.optimizer"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=r"streamseg\[export\]"):
        export_onnx(small_network, tmp_path / "model.onnx")


def test_weights_make_a_network_again_if_they_fit(small_network: Network) -> None:
    weights = small_network.state_dict()
    again = network_from(weights, SMALL).state_dict()
    assert all(torch.equal(again[name], tensor) for name, tensor in weights.items())
    with pytest.raises(ModelError, match="weights do not fit"):
        network_from(weights, ModelConfig())

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper, shape_inference
from small_export import SIZE, Export, blobs
from small_model import SMALL

from streamseg.errors import InputError, ModelError
from streamseg.export import quantize
from streamseg.export.lint import lint_onnx
from streamseg.export.onnx_file import save_model
from streamseg.export.quantize import (
    FLOAT_LAYERS,
    TENSORRT,
    _float_convolutions,
    quantize_onnx,
)
from streamseg.loading import SHIPPED_MODEL
from streamseg.runtime.onnx import OnnxRuntime


@pytest.fixture(scope="module")
def exported(export: Export) -> Path:
    return export().path


def test_the_8_bit_model_agrees_with_the_float_model(exported: Path, tmp_path: Path) -> None:
    difference = quantize_onnx(exported, tmp_path / "model.onnx", blobs(12))
    assert 0 < difference <= quantize.TOLERANCE
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]

    exact, coarse = OnnxRuntime(exported), OnnxRuntime(tmp_path / "model.onnx")
    assert coarse.config == exact.config
    image = np.concatenate(blobs(2), axis=1)  # of a size not calibrated on
    truth, found = exact.run(image).embeddings, coarse.run(image).embeddings
    assert np.sqrt(np.square(found - truth).mean()) <= 2 * quantize.TOLERANCE * truth.std()


def test_all_but_some_convolutions_compute_in_integers(exported: Path, tmp_path: Path) -> None:
    quantize_onnx(exported, tmp_path / "model.onnx", blobs(4))
    graph = onnx.load(tmp_path / "model.onnx").graph
    producer = {output: node.op_type for node in graph.node for output in node.output}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    in_float = [n for n in convolutions if producer.get(n.input[1]) != "DequantizeLinear"]
    # position, embedding and foreground of the pixel head, the classes, and what reads the stem
    assert len(in_float) == FLOAT_LAYERS + 5
    assert len(convolutions) > 2 * len(in_float)
    # a clip between a convolution and its quantization would keep it in float
    quantized = [n.input[0] for n in graph.node if n.op_type == "QuantizeLinear"]
    assert not [name for name in quantized if producer[name] in ("Clip", "Relu")]


def test_all_readers_of_the_wide_tensors_of_the_shipped_trunk_stay_in_float() -> None:
    graph = onnx.load(SHIPPED_MODEL).graph
    in_float = set(_float_convolutions(graph))
    weights = {tensor.name: tensor for tensor in graph.initializer}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    stem = convolutions[0]
    assert "backbone.stem." in stem.input[1]
    # the stem and its activation and pooling: rounded for one reader, they are so for all
    wide = {"image", stem.output[0]}
    for node in graph.node:
        if node.op_type in ("HardSigmoid", "HardSwish", "Mul", "MaxPool") and node.input[0] in wide:
            wide |= set(node.output)
    readers = [node for node in convolutions if node.input[0] in wide]
    assert len(readers) == 3  # both branches of the first block, and the neck
    assert {node.name for node in readers} <= in_float
    numbers = {name: np.prod(weights[name].dims) for name in (n.input[1] for n in convolutions)}
    in_integers = sum(numbers[n.input[1]] for n in convolutions if n.name not in in_float)
    assert in_integers > 0.7 * sum(numbers.values())


def test_a_poor_copy_is_refused_and_leaves_the_old_file(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "model.onnx"
    target.write_bytes(b"old")
    monkeypatch.setattr(quantize, "TOLERANCE", 1e-6)
    with pytest.raises(ModelError, match="8-bit model differs from the float model by"):
        quantize_onnx(exported, target, blobs(2))
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_images_are_needed(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs images"):
        quantize_onnx(exported, tmp_path / "model.onnx", [])


def test_for_tensorrt_all_is_symmetric_and_the_rest_is_half(int8_file: Path) -> None:
    model = shape_inference.infer_shapes(onnx.load(int8_file))
    assert lint_onnx(model) == []
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 20)]
    assert model.ir_version == 10
    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    producer = {output: node for node in graph.node for output in node.output}
    quantizers = [n for n in graph.node if n.op_type in ("QuantizeLinear", "DequantizeLinear")]
    for node in quantizers:
        scale, zero = constants[node.input[1]], constants[node.input[2]]
        assert zero.data_type == TensorProto.INT8
        assert not numpy_helper.to_array(zero).any()
        assert scale.data_type == TensorProto.FLOAT16
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    integer = 0
    for node in convolutions:
        weights, bias = producer.get(node.input[1]), node.input[2:]
        assert all(constants[name].data_type == TensorProto.FLOAT16 for name in bias)
        if weights is None:
            continue
        assert producer[node.input[0]].op_type == weights.op_type == "DequantizeLinear"
        scales = numpy_helper.to_array(constants[weights.input[1]])
        shape = numpy_helper.to_array(constants[producer[weights.input[0]].input[0]]).shape
        assert scales.shape == shape[:1]  # one a channel
        integer += 1
    assert integer == len(convolutions) - FLOAT_LAYERS - 4  # outputs, and what reads the stem
    # an activation stays between a convolution and the next quantization, to be one kernel
    assert any(producer[n.input[0]].op_type == "Relu" for n in quantizers if n.input[0] in producer)
    casts = [node for node in graph.node if node.op_type == "Cast"]
    assert len(casts) <= 4  # pixels, and the softmax in float32


def test_for_tensorrt_the_8_bit_model_agrees_too(export: Export, int8_file: Path) -> None:
    source = export(precision="fp16", size=SIZE, channels_last=True).path
    exact, coarse = OnnxRuntime(source, threads=1), OnnxRuntime(int8_file, threads=1)
    assert coarse.config == exact.config
    assert coarse.size == SIZE
    for image in blobs(3):
        truth, found = exact.run(image).embeddings, coarse.run(image).embeddings
        error = np.sqrt(np.square(found - truth).mean())
        assert 0 < error <= quantize.TOLERANCE * truth.std()


def test_images_of_another_size_than_the_files_are_refused(export: Export, tmp_path: Path) -> None:
    source = export(precision="fp16", size=SIZE, channels_last=True).path
    wrong = [np.ascontiguousarray(image[:32]) for image in blobs(1)]
    with pytest.raises(InputError, match="exported for images of 96x64 only, got 96x32"):
        quantize_onnx(source, tmp_path / "model.onnx", wrong, scheme=TENSORRT)


def test_the_cpus_scheme_is_none_for_tensorrt(exported: Path, tmp_path: Path) -> None:
    quantize_onnx(exported, tmp_path / "model.onnx", blobs(2))
    findings = lint_onnx(onnx.load(tmp_path / "model.onnx"))
    assert any("TensorRT takes int8 only" in finding for finding in findings)


def test_biases_in_half_precision_stay_what_they_are(tmp_path: Path) -> None:
    """ONNX Runtime would make integers of them, by a scale that is 0 in half precision."""
    constants = {
        "s": np.float16(0.01),  # of pixels, and
        "ws": np.full(4, 2e-6, np.float16),  # of weights: their product is 2e-8
        "os": np.float16(0.02),
        "z": np.int8(0),
        "wz": np.zeros(4, np.int8),
        "w": np.full((4, 3, 4, 4), 100, np.int8),
        "bias": np.array([-2, -1, 1, 2], np.float16),
        "sizes": np.array([1, 3]),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["half"], to=TensorProto.FLOAT16),
        helper.make_node("Transpose", ["half"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("QuantizeLinear", ["planes", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["dq"]),
        helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["dw"], axis=0),
        helper.make_node("Conv", ["dq", "dw", "bias"], ["sum"], strides=[4, 4]),
        helper.make_node("QuantizeLinear", ["sum", "os", "z"], ["oq"]),
        helper.make_node("DequantizeLinear", ["oq", "os", "z"], ["embeddings"]),
        helper.make_node("Split", ["embeddings", "sizes"], ["foreground", "others"], axis=1),
        helper.make_node("MaxPool", ["others"], ["classes"], kernel_shape=[2, 2], strides=[2, 2]),
    ]
    half = TensorProto.FLOAT16
    graph = helper.make_graph(
        nodes,
        "biases",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, [1, 32, 32, 3])],
        [
            helper.make_tensor_value_info("embeddings", half, [1, 4, 8, 8]),
            helper.make_tensor_value_info("foreground", half, [1, 1, 8, 8]),
            helper.make_tensor_value_info("classes", half, [1, 3, 4, 4]),
        ],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    save_model(model, SMALL, tmp_path / "model.onnx")
    output = OnnxRuntime(tmp_path / "model.onnx", threads=1).run(np.ones((32, 32, 3), np.uint8))
    expected = constants["bias"].astype(np.float32) + 48 * 100 * 2e-6
    assert np.allclose(output.embeddings[:, 3, 3], expected, rtol=0, atol=0.015)

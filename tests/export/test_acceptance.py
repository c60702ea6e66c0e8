"""TensorRT reads every kind of export as it was meant; test_to_tensorrt.py builds them.

TensorRT-RTX (``pip install tensorrt_rtx``) has the interface of TensorRT 11, needs no GPU for
this and takes the same graphs; what it cannot know is the limits of TensorRT 10.3, which the lint
knows, and the kernels of a vehicle.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper
from small_export import KINDS, Export

trt = pytest.importorskip("tensorrt_rtx")
LOG: Any = trt.Logger(trt.Logger.ERROR)  # one for the process: the first one wins


def parsed(path: Path) -> Any:
    """The strongly typed network of a file."""
    builder = trt.Builder(LOG)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, LOG)
    if not parser.parse_from_file(str(path)):
        errors = [parser.get_error(i) for i in range(parser.num_errors)]
        raise ValueError("; ".join(f"{e.node_operator()} {e.node_name()}" for e in errors))
    return network


def layers(network: Any) -> Counter[tuple[str, str]]:
    """How many layers of each kind give each type."""
    found = [network.get_layer(i) for i in range(network.num_layers)]
    return Counter((layer.type.name, layer.get_output(0).dtype.name) for layer in found)


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_every_kind_of_file_is_read_in_the_precision_that_was_asked_for(
    export: Export, options: dict[str, Any]
) -> None:
    network = parsed(export(**options).path)
    wanted = "HALF" if options.get("precision") == "fp16" else "FLOAT"
    found = layers(network)
    for kind in ("CONVOLUTION", "ACTIVATION", "RESIZE"):
        assert {dtype for layer, dtype in found if layer == kind} == {wanted}
    assert {network.get_output(i).dtype.name for i in range(2)} == {wanted}
    assert network.get_input(0).dtype == trt.DataType.UINT8


def test_the_8_bit_file_is_read_with_integers_in_it(int8_file: Path) -> None:
    network = parsed(int8_file)
    found = layers(network)
    assert found["QUANTIZE", "INT8"] > 20
    assert found["QUANTIZE", "INT8"] == found["DEQUANTIZE", "HALF"]
    assert {dtype for layer, dtype in found if layer == "CONVOLUTION"} == {"HALF"}


def test_bytes_that_are_moved_before_they_are_cast_are_refused(tmp_path: Path) -> None:
    """As the lint says; exports up to version 0.1 did that."""
    nodes = [
        helper.make_node("Transpose", ["image"], ["planes"], name="move", perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["planes"], ["y"], name="cast", to=TensorProto.FLOAT),
    ]
    graph = helper.make_graph(
        nodes,
        "bytes",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, [1, 32, 32, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3, 32, 32])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(ValueError, match="Transpose move"):
        parsed(tmp_path / "model.onnx")

"""Each rule against a graph made to break it, and only it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

from streamseg.errors import ModelError
from streamseg.export.lint import lint_onnx, refuse_unfit

Constants = dict[str, NDArray[Any]]

SCALE = np.array(0.5, np.float32)
SCALES = np.array([1, 1, 2, 2], np.float32)


def graph(
    op: str,
    inputs: Sequence[str],
    constants: Constants | None = None,
    *,
    kind: int = TensorProto.FLOAT,
    shape: Sequence[int] = (1, 2, 4, 4),
    outputs: Sequence[str] = ("y",),
    domain: str = "",
    **attributes: Any,
) -> ModelProto:
    """A model of one node named "it", whose inputs other than constants are the model's."""
    constants = constants or {}
    node = helper.make_node(op, inputs, outputs, name="it", domain=domain, **attributes)
    given = [name for name in inputs if name and name not in constants]
    made = helper.make_graph(
        [node],
        "one node",
        [
            helper.make_tensor_value_info(
                name, kind if name == "x" else TensorProto.INT64, shape if name == "x" else [1]
            )
            for name in given
        ],
        [helper.make_tensor_value_info("y", TensorProto.UNDEFINED, None)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    opsets = [helper.make_opsetid("", 20)] + [helper.make_opsetid(domain, 1)] * bool(domain)
    return helper.make_model(made, opset_imports=opsets, ir_version=10)


def resize(**attributes: Any) -> ModelProto:
    return graph("Resize", ["x", "", "scales"], {"scales": SCALES}, **attributes)


def quantize(op: str = "QuantizeLinear", zero: NDArray[Any] | None = None) -> ModelProto:
    kind = TensorProto.FLOAT if op == "QuantizeLinear" else TensorProto.INT8
    if zero is None:
        return graph(op, ["x", "s"], {"s": SCALE}, kind=kind)
    return graph(op, ["x", "s", "z"], {"s": SCALE, "z": zero}, kind=kind)


GOOD = {
    "convolution": graph("Conv", ["x", "w"], {"w": np.ones((3, 2, 1, 1), np.float32)}),
    "linear resize": resize(mode="linear", coordinate_transformation_mode="half_pixel"),
    "nearest resize": resize(mode="nearest", nearest_mode="floor"),
    "symmetric": quantize(zero=np.array(0, np.int8)),
    "symmetric back": quantize("DequantizeLinear", np.array(0, np.int8)),
    "bytes cast": graph("Cast", ["x"], kind=TensorProto.UINT8, to=TensorProto.FLOAT),
    "size of bytes": graph("Shape", ["x"], kind=TensorProto.UINT8),
    "top": graph("TopK", ["x", "k"], {"k": np.array([3840])}, shape=(1, 5000), outputs=("y", "i")),
    "mean": graph("ReduceMean", ["x", "a"], {"a": np.array([2, 3])}),
    "pooling": graph("MaxPool", ["x"], kernel_shape=[2, 2]),
    "padding": graph("Pad", ["x", "p"], {"p": np.zeros(8, np.int64)}),
}

BAD = {
    "unknown": (graph("Unique", ["x"]), "not among the operators known to work"),
    "non zero": (graph("NonZero", ["x"]), "size of its output is known only when it has run"),
    "einsum": (graph("Einsum", ["x"], equation="abcd->ab"), "only some of its equations"),
    "gelu": (graph("Gelu", ["x"]), "10.3 is not known to read it"),
    "foreign": (
        graph("FusedConv", ["x"], domain="com.microsoft"),
        "belongs to 'com.microsoft', which only some runtimes know",
    ),
    "antialias": (resize(mode="linear", antialias=1), "antialias is 1; it must be 0"),
    "cubic": (resize(mode="cubic"), "mode is cubic; it must be nearest or linear"),
    "crop": (
        graph(
            "Resize",
            ["x", "r", "scales"],
            {"scales": SCALES, "r": np.zeros(8, np.float32)},
            coordinate_transformation_mode="tf_crop_and_resize",
        ),
        "coordinate_transformation_mode is tf_crop_and_resize",
    ),
    "keep aspect": (
        graph(
            "Resize",
            ["x", "", "", "sizes"],
            {"sizes": np.array([1, 2, 8, 8])},
            keep_aspect_ratio_policy="not_larger",
        ),
        "keep_aspect_ratio_policy is not_larger",
    ),
    "resize of axes": (
        graph("Resize", ["x", "", "scales"], {"scales": SCALES[2:]}, axes=[2, 3]),
        "names axes",
    ),
    "top": (
        graph("TopK", ["x", "k"], {"k": np.array([3841])}, shape=(1, 5000), outputs=("y", "i")),
        "k is 3841; TensorRT takes up to 3840",
    ),
    "unsorted": (
        graph("TopK", ["x", "k"], {"k": np.array([3])}, shape=(1, 9), outputs=("y", "i"), sorted=0),
        "it is unsorted",
    ),
    "computed k": (
        graph("TopK", ["x", "k"], outputs=("y", "i")),
        "its k must be written in the file",
    ),
    "computed axes": (graph("ReduceMean", ["x", "a"]), "its axes must be written in the file"),
    "computed scale": (
        graph("InstanceNormalization", ["x", "s", "b"], {"b": np.ones(2, np.float32)}),
        "its scale must be written in the file",
    ),
    "five dimensions": (
        graph("GridSample", ["x", "grid"], shape=(1, 2, 4, 4, 4)),
        "its input has 5 dimensions; TensorRT takes 4",
    ),
    "asymmetric": (quantize(zero=np.array(3, np.int8)), "its zero point is not 0"),
    "unsigned": (quantize(zero=np.array(0, np.uint8)), "quantises to uint8; TensorRT takes int8"),
    "no zero point": (quantize(), "it has no zero point and so quantises to uint8"),
    "quantised bias": (
        graph(
            "DequantizeLinear", ["b", "s"], {"b": np.ones(2, np.int32), "s": np.ones(2, np.float32)}
        ),
        "it is a quantised bias",
    ),
    "bytes moved": (
        graph("Transpose", ["x"], kind=TensorProto.UINT8),
        "it reads bytes ('x'); TensorRT can only cast them",
    ),
    "padded axes": (
        graph("Pad", ["x", "p", "", "a"], {"p": np.zeros(4, np.int64), "a": np.array([2, 3])}),
        "names axes, which TensorRT reads from 10.4 on",
    ),
    "indices": (
        graph("MaxPool", ["x"], outputs=("y", "i"), kernel_shape=[2, 2]),
        "it gives indices",
    ),
}


@pytest.mark.parametrize("model", GOOD.values(), ids=list(GOOD))
def test_what_tensorrt_takes_is_not_found_fault_with(model: ModelProto) -> None:
    assert lint_onnx(model) == []
    refuse_unfit(model)


@pytest.mark.parametrize(("model", "message"), BAD.values(), ids=list(BAD))
def test_what_tensorrt_refuses_is_named_with_its_node(model: ModelProto, message: str) -> None:
    (finding,) = lint_onnx(model)
    assert finding.startswith(f"{model.graph.node[0].op_type} 'it': ")
    assert message in finding


def test_versions_that_an_old_parser_does_not_read_are_named() -> None:
    model = graph("Relu", ["x"])
    model.opset_import[0].version, model.ir_version = 21, 11
    opset, ir = lint_onnx(model)
    assert "opset 21" in opset
    assert "up to 20" in opset
    assert "IR version 11" in ir
    assert "up to 10" in ir


def test_doubles_are_found_among_weights_and_results() -> None:
    weights = graph("Add", ["w", "w"], {"w": np.ones(2)})
    assert any("'w' is float64" in finding for finding in lint_onnx(weights))
    results = graph("Cast", ["x"], to=TensorProto.DOUBLE)
    (finding,) = lint_onnx(results)
    assert "'y' is float64" in finding


def test_weights_in_another_file_are_named() -> None:
    model = graph("Conv", ["x", "w"], {"w": np.ones((3, 2, 1, 1), np.float32)})
    onnx.external_data_helper.set_external_data(model.graph.initializer[0], "weights.bin")
    (finding,) = lint_onnx(model)
    assert "'w' lies in another file" in finding


def test_shapes_that_do_not_fit_are_a_finding() -> None:
    (finding,) = lint_onnx(graph("TopK", ["x", "k"], {"k": np.array([3])}, shape=(1, 9)))
    assert finding.startswith("shapes in the file do not fit together: ")


def test_findings_are_listed_when_a_file_is_refused() -> None:
    model = graph("NonZero", ["x"])
    model.ir_version = 11
    with pytest.raises(ModelError, match=r"would refuse") as error:
        refuse_unfit(model)
    assert "NonZero 'it'" in str(error.value)
    assert "IR version 11" in str(error.value)
    model.graph.node.extend([model.graph.node[0]] * 14)
    with pytest.raises(ModelError, match=r"and 6 more$") as error:
        refuse_unfit(model)
    assert str(error.value).count("NonZero") == 9

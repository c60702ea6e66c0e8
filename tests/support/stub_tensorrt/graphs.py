"""ONNX files of one or two nodes, for builders of engines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Precision: TypeAlias = Literal["fp32", "fp16", "int8"]

Array: TypeAlias = NDArray[Any]
OPSET = 20
IR_VERSION = 10
"""Those of our exports, which TensorRT 10.3 reads."""


def convolution(
    path: Path, precision: Precision, sides: tuple[int | str, int | str] = (16, 16)
) -> Path:
    """A convolution from ``image`` [1, 3, H, W] to ``features`` [1, 4, H, W].

    Args:
        path: of the file.
        precision: an ``int8`` one is float32 between two pairs of quantization.
        sides: H and W; names are free sides.
    """
    kind = TensorProto.FLOAT16 if precision == "fp16" else TensorProto.FLOAT
    weights = np.linspace(-1, 1, 4 * 3 * 3 * 3).reshape(4, 3, 3, 3)
    if precision != "int8":
        constants: dict[str, Array] = {
            "weights": weights.astype(np.float16 if precision == "fp16" else np.float32)
        }
        nodes = [helper.make_node("Conv", ["image", "weights"], ["features"], pads=[1] * 4)]
    else:
        constants = {
            "scale": np.array(0.1, np.float32),
            "zero": np.array(0, np.int8),
            "steps": np.round(weights * 100).astype(np.int8),
            "scales": np.full(4, 0.01, np.float32),
            "zeros": np.zeros(4, np.int8),
        }
        nodes = [
            helper.make_node("QuantizeLinear", ["image", "scale", "zero"], ["quantized"]),
            helper.make_node("DequantizeLinear", ["quantized", "scale", "zero"], ["values"]),
            helper.make_node("DequantizeLinear", ["steps", "scales", "zeros"], ["kernel"], axis=0),
            helper.make_node("Conv", ["values", "kernel"], ["features"], pads=[1] * 4),
        ]
    return save(path, nodes, kind, [1, 3, *sides], [1, 4, *sides], constants)


def unlike_types(path: Path) -> Path:
    """A sum of float32 and float16, which ONNX does not allow and no checker here sees."""
    nodes = [
        helper.make_node("Cast", ["image"], ["half"], to=TensorProto.FLOAT16),
        helper.make_node("Add", ["image", "half"], ["features"], name="unlike"),
    ]
    return save(path, nodes, TensorProto.FLOAT, [8], [8])


def unknown_operation(path: Path) -> Path:
    """What TensorRT has no layer for."""
    nodes = [helper.make_node("Det", ["image"], ["features"], name="volume")]
    return save(path, nodes, TensorProto.FLOAT, [1, 4, 4], [1])


def largest_numbers(path: Path, count: int) -> Path:
    """The ``count`` largest of 8192; TensorRT finds out while building that it allows 3840."""
    nodes = [helper.make_node("TopK", ["image", "count"], ["features", "where"], name="largest")]
    constants = {"count": np.array([count], np.int64)}
    return save(path, nodes, TensorProto.FLOAT, [1, 8192], [1, count], constants)


def save(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    kind: int,
    image: Sequence[int | str],
    features: Sequence[int | str],
    constants: dict[str, Array] | None = None,
) -> Path:
    """Write a graph from ``image`` to ``features``, both of type ``kind``."""
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("image", kind, image)],
        [helper.make_tensor_value_info("features", kind, features)],
        [numpy_helper.from_array(array, name) for name, array in (constants or {}).items()],
    )
    opset = helper.make_opsetid("", OPSET)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION), path)
    return path

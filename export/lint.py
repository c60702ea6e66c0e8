"""Check, without TensorRT, that TensorRT 10.3 to 11.4 can read an ONNX file.

Vehicles have the oldest release (JetPack 6), which does not run on a desktop, so its limits are
listed here: opset, IR version, operators and their restrictions. Anything not known to work is
reported; only a build is proof.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from streamseg.errors import ModelError

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

MAX_OPSET: Final = 20
MAX_IR_VERSION: Final = 10
MAX_TOP_K: Final = 3840
LISTED: Final = 10
"""Findings in an error: a graph may have hundreds of the same kind."""

_OPERATORS: Final = """
    Abs Add AveragePool BatchNormalization Cast Clip Concat Constant ConstantOfShape Conv
    ConvTranspose DepthToSpace DequantizeLinear Div Elu Equal Erf Exp Expand Flatten Gather Gemm
    GlobalAveragePool GlobalMaxPool Greater GridSample HardSigmoid HardSwish Identity
    InstanceNormalization LayerNormalization LeakyRelu Less Log MatMul Max MaxPool Min Mul Neg PRelu
    Pad Pow QuantizeLinear Range Reciprocal ReduceL2 ReduceMax ReduceMean ReduceMin ReduceSum Relu
    Reshape Resize Shape Sigmoid Slice Softmax Softplus SpaceToDepth Split Sqrt Squeeze Sub Sum Tanh
    TopK Transpose Unsqueeze Where
"""
OPERATORS: Final = frozenset(_OPERATORS.split())
"""Operators that streamseg exports, and similar simple ones."""
REASONS: Final = {
    "DeformConv": "it is a plugin, which not every TensorRT has",
    "Einsum": "only some of its equations are supported",
    "Gelu": "TensorRT 10.3 is not known to read it",
    "GroupNormalization": "what its scale means changed at opset 21, and parsers differ",
    "NonMaxSuppression": "the size of its output is known only when it has run",
    "NonZero": "the size of its output is known only when it has run",
}
"""Why some operators are missing above, though a parser may know them."""
CONSTANT_INPUTS: Final = {
    "DequantizeLinear": {1: "scale", 2: "zero point"},
    "InstanceNormalization": {1: "scale", 2: "bias"},
    "QuantizeLinear": {1: "scale", 2: "zero point"},
    "ReduceL2": {1: "axes"},
    "ReduceMax": {1: "axes"},
    "ReduceMean": {1: "axes"},
    "ReduceMin": {1: "axes"},
    "ReduceSum": {1: "axes"},
    "Slice": {3: "axes"},
    "Squeeze": {1: "axes"},
    "TopK": {1: "k"},
    "Unsqueeze": {1: "axes"},
}
"""Inputs by position that must be written in the file, not computed."""
RESIZE_VALUES: Final = {
    "antialias": (0,),
    "mode": ("nearest", "linear"),
    "coordinate_transformation_mode": (
        *("half_pixel", "pytorch_half_pixel", "tf_half_pixel_for_nn"),
        *("asymmetric", "align_corners"),
    ),
    "nearest_mode": ("floor", "ceil", "round_prefer_floor", "round_prefer_ceil"),
    "keep_aspect_ratio_policy": ("stretch",),
}
"""Attributes of Resize and what they may be."""


def lint_onnx(model: ModelProto) -> list[str]:
    """List what TensorRT 10.3 to 11.4 would refuse.

    Args:
        model: as loaded from a file, its external data or not.

    Returns:
        A sentence for each finding, with the node's operator and name; empty if all is well.
    """
    graph = _Graph(model)
    findings = list(_file(model, graph))
    for node in model.graph.node:
        findings += [f"{node.op_type} {node.name!r}: {what}" for what in _node(node, graph)]
    return findings


def refuse_unfit(model: ModelProto) -> None:
    """Refuse a file with findings of ``lint_onnx``.

    Raises:
        ModelError: lists the first findings.
    """
    findings = lint_onnx(model)
    if findings:
        more = [f"and {len(findings) - LISTED} more"] * (len(findings) > LISTED)
        raise ModelError(
            "TensorRT 10.3 would refuse the exported graph:\n  "
            + "\n  ".join(findings[:LISTED] + more)
        )


class _Graph:
    """A model's tensors by name."""

    def __init__(self, model: ModelProto) -> None:
        from onnx import numpy_helper, shape_inference

        graph = model.graph
        self._tensors = {tensor.name: tensor for tensor in graph.initializer}
        for node in graph.node:
            if node.op_type == "Constant":
                values = [a.t for a in node.attribute if a.name == "value"]
                self._tensors.update(dict.fromkeys(node.output, *values))
        self._array = numpy_helper.to_array
        self.shape_error: str | None = None
        inferred = graph
        try:
            inferred = shape_inference.infer_shapes(model).graph
        except shape_inference.InferenceError as error:
            self.shape_error = str(error)
        self.type: dict[str, int] = {t.name: t.data_type for t in self._tensors.values()}
        self.rank: dict[str, int] = {}
        for value in (*inferred.input, *inferred.value_info, *inferred.output):
            self.type[value.name] = value.type.tensor_type.elem_type
            if value.type.tensor_type.HasField("shape"):
                self.rank[value.name] = len(value.type.tensor_type.shape.dim)

    def constant(self, name: str) -> NDArray[Any] | None:
        """Return the values of a constant tensor."""
        tensor = self._tensors.get(name)
        return None if tensor is None else self._array(tensor)


def _file(model: ModelProto, graph: _Graph) -> Iterator[str]:
    """Yield findings about the file as a whole and its tensors."""
    from onnx import TensorProto

    if graph.shape_error:
        yield f"shapes in the file do not fit together: {graph.shape_error}"
    for opset in model.opset_import:
        if opset.domain in ("", "ai.onnx") and opset.version > MAX_OPSET:
            yield f"the file has opset {opset.version}; TensorRT 10.3 reads up to {MAX_OPSET}"
    if model.ir_version > MAX_IR_VERSION:
        yield (
            f"the file has IR version {model.ir_version}; TensorRT 10.3 reads up to "
            f"{MAX_IR_VERSION}"
        )
    for tensor in model.graph.initializer:
        if tensor.data_location == TensorProto.EXTERNAL:
            yield f"weight {tensor.name!r} lies in another file; a release is one file"
    for name, kind in graph.type.items():
        if kind == TensorProto.DOUBLE:
            yield f"tensor {name!r} is float64, which TensorRT does not compute in"


def _node(node: NodeProto, graph: _Graph) -> Iterator[str]:
    """Yield findings about a node."""
    from onnx import TensorProto

    if node.domain not in ("", "ai.onnx"):
        yield f"it belongs to {node.domain!r}, which only some runtimes know"
        return
    if node.op_type not in OPERATORS:
        yield REASONS.get(node.op_type, "it is not among the operators known to work")
        return
    for position, what in CONSTANT_INPUTS.get(node.op_type, {}).items():
        given = position < len(node.input) and node.input[position]
        if given and graph.constant(given) is None:
            yield f"its {what} must be written in the file, not computed"
    if node.op_type not in ("Cast", "Shape"):
        for name in node.input:
            if graph.type.get(name) == TensorProto.UINT8 and graph.constant(name) is None:
                yield f"it reads bytes ({name!r}); TensorRT can only cast them"
    yield from _RULES.get(node.op_type, lambda *_: ())(node, graph)


def _attributes(node: NodeProto) -> dict[str, Any]:
    from onnx import helper

    values = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    return {k: v.decode() if isinstance(v, bytes) else v for k, v in values.items()}


def _resize(node: NodeProto, _graph: _Graph) -> Iterator[str]:
    attributes = _attributes(node)
    for name, allowed in RESIZE_VALUES.items():
        value = attributes.get(name, allowed[0])
        if value not in allowed:
            yield f"{name} is {value}; it must be {' or '.join(map(str, allowed))}"
    if "axes" in attributes:
        yield "it names axes; TensorRT resizes by a scale for every one"


def _top_k(node: NodeProto, graph: _Graph) -> Iterator[str]:
    k = graph.constant(node.input[1])
    if k is not None and k.max() > MAX_TOP_K:
        yield f"k is {k.max()}; TensorRT takes up to {MAX_TOP_K}"
    if not _attributes(node).get("sorted", 1):
        yield "it is unsorted; TensorRT 10.3 only sorts"


def _grid_sample(node: NodeProto, graph: _Graph) -> Iterator[str]:
    rank = graph.rank.get(node.input[0])
    if rank != 4:
        yield f"its input has {rank or 'an unknown number of'} dimensions; TensorRT takes 4"


def _quantized(node: NodeProto, graph: _Graph) -> Iterator[str]:
    from onnx import TensorProto

    if node.op_type == "DequantizeLinear" and graph.type.get(node.input[0]) == TensorProto.INT32:
        yield "it is a quantised bias (int32); TensorRT wants biases in float"
        return
    zero = graph.constant(node.input[2]) if len(node.input) > 2 else None
    if len(node.input) < 3:
        yield "it has no zero point and so quantises to uint8; TensorRT takes int8 only"
    elif zero is not None and zero.dtype != np.int8:
        yield f"it quantises to {zero.dtype}; TensorRT takes int8 only"
    if zero is not None and zero.any():
        yield "its zero point is not 0; TensorRT quantises symmetrically"


def _pad(node: NodeProto, _graph: _Graph) -> Iterator[str]:
    if len(node.input) > 3 and node.input[3]:
        yield "it names axes, which TensorRT reads from 10.4 on"


def _max_pool(node: NodeProto, _graph: _Graph) -> Iterator[str]:
    if len(node.output) > 1 and node.output[1]:
        yield "it gives indices, which TensorRT does not"


_RULES: Final[dict[str, Callable[[NodeProto, _Graph], Iterator[str]]]] = {
    "DequantizeLinear": _quantized,
    "GridSample": _grid_sample,
    "MaxPool": _max_pool,
    "Pad": _pad,
    "QuantizeLinear": _quantized,
    "Resize": _resize,
    "TopK": _top_k,
}

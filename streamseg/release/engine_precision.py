"""The dtypes in which a network computes, counted in the network itself.

Engines are strongly typed: TensorRT computes every layer in the dtype that the ONNX file sets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

from streamseg.release.tensorrt_module import ILayer, INetworkDefinition, ITensor

LayerCounts: TypeAlias = dict[str, dict[str, int]]
"""Number of layers by kind of layer and dtype: ``counts["CONVOLUTION"]["HALF"]``."""

PRECISIONS: Final = {"fp32": "FLOAT", "fp16": "HALF", "int8": "INT8"}
"""Names of precisions here and in TensorRT."""
HEAVY: Final = ("CONVOLUTION", "DECONVOLUTION", "MATRIX_MULTIPLY")
"""Layers that take most of the time and so define a network's precision."""


def count_layers(network: INetworkDefinition) -> LayerCounts:
    """Count layers by kind and dtype of their output.

    A heavy layer whose inputs were both dequantized counts as their quantized dtype, such as INT8,
    in which TensorRT computes it.
    """
    quantized: dict[str, str] = {}
    counts: LayerCounts = {}
    for index in range(network.num_layers):
        layer: ILayer = network.get_layer(index)
        if not layer.num_outputs:
            continue
        kind, output = layer.type.name, layer.get_output(0)
        dtype = output.dtype.name
        inputs = list(_inputs(layer))
        if kind == "DEQUANTIZE":
            quantized[output.name] = inputs[0].dtype.name
        elif kind in HEAVY and len(inputs) > 1:
            before = {quantized.get(tensor.name) for tensor in inputs[:2]}
            if len(before) == 1:
                dtype = before.pop() or dtype
        dtypes = counts.setdefault(kind, {})
        dtypes[dtype] = dtypes.get(dtype, 0) + 1
    return {kind: dict(sorted(counts[kind].items())) for kind in sorted(counts)}


def wrong_precision(counts: Mapping[str, Mapping[str, int]], asked: str) -> str | None:
    """Explain in a sentence why a network does not have a precision; None if it has it.

    All heavy layers of an ``fp32`` network must be FLOAT. Of an ``fp16`` or ``int8`` network more
    than half must have that dtype: heads and a few sensitive layers may have a higher precision.
    """
    found: dict[str, int] = {}
    for kind in HEAVY:
        for dtype, count in counts.get(kind, {}).items():
            found[dtype] = found.get(dtype, 0) + count
    total, fitting = sum(found.values()), found.get(PRECISIONS[asked], 0)
    if not total:
        return f"has no convolution or matrix product that could be {asked}"
    if fitting == total if asked == "fp32" else 2 * fitting > total:
        return None
    ours = {dtype: name for name, dtype in PRECISIONS.items()}
    listed = ", ".join(f"{count} {ours.get(dtype, dtype)}" for dtype, count in found.items())
    return (
        f"is not {asked}: TensorRT computes its {total} convolutions and matrix products as "
        f"{listed}"
    )


def _inputs(layer: ILayer) -> Iterator[ITensor]:
    """Iterate over the inputs; optional ones may be None."""
    for index in range(layer.num_inputs):
        tensor = layer.get_input(index)
        if tensor is not None:
            yield tensor

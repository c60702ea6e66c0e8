"""In which types a network computes: counted in the network, not taken from a setting.

Engines are strongly typed: TensorRT computes every layer in the type that the ONNX file gives it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

from streamseg.release.tensorrt_module import ILayer, INetworkDefinition, ITensor

LayerCounts: TypeAlias = dict[str, dict[str, int]]
"""Number of layers by type of layer and type of number: ``counts["CONVOLUTION"]["HALF"]``."""

PRECISIONS: Final = {"fp32": "FLOAT", "fp16": "HALF", "int8": "INT8"}
"""Our names and TensorRT's."""
HEAVY: Final = ("CONVOLUTION", "DECONVOLUTION", "MATRIX_MULTIPLY")
"""Layers that take the time, and so make a network's precision."""


def count_layers(network: INetworkDefinition) -> LayerCounts:
    """Count layers by what they are and the type of what they compute.

    A heavy layer whose inputs were both dequantized counts as what they were before, such as INT8:
    TensorRT computes it in that.
    """
    quantized: dict[str, str] = {}
    counts: LayerCounts = {}
    for index in range(network.num_layers):
        layer: ILayer = network.get_layer(index)
        if not layer.num_outputs:
            continue
        kind, output = layer.type.name, layer.get_output(0)
        number = output.dtype.name
        inputs = list(_inputs(layer))
        if kind == "DEQUANTIZE":
            quantized[output.name] = inputs[0].dtype.name
        elif kind in HEAVY and len(inputs) > 1:
            before = {quantized.get(tensor.name) for tensor in inputs[:2]}
            if len(before) == 1:
                number = before.pop() or number
        numbers = counts.setdefault(kind, {})
        numbers[number] = numbers.get(number, 0) + 1
    return {kind: dict(sorted(counts[kind].items())) for kind in sorted(counts)}


def wrong_precision(counts: Mapping[str, Mapping[str, int]], asked: str) -> str | None:
    """What speaks against a network being of a precision, as a sentence; None if nothing does.

    All heavy layers of an ``fp32`` network must be FLOAT. Of an ``fp16`` or ``int8`` network more
    than half must be of that type: heads and a few sensitive layers may stay above it.
    """
    found: dict[str, int] = {}
    for kind in HEAVY:
        for number, count in counts.get(kind, {}).items():
            found[number] = found.get(number, 0) + count
    total, fitting = sum(found.values()), found.get(PRECISIONS[asked], 0)
    if not total:
        return f"has no convolution or matrix product that could be {asked}"
    if fitting == total if asked == "fp32" else 2 * fitting > total:
        return None
    ours = {number: name for name, number in PRECISIONS.items()}
    listed = ", ".join(f"{count} {ours.get(number, number)}" for number, count in found.items())
    return (
        f"is not {asked}: TensorRT computes its {total} convolutions and matrix products as "
        f"{listed}"
    )


def _inputs(layer: ILayer) -> Iterator[ITensor]:
    """Those that are there: optional ones may be None."""
    for index in range(layer.num_inputs):
        tensor = layer.get_input(index)
        if tensor is not None:
            yield tensor

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

import pytest

from streamseg.release.engine_precision import LayerCounts, count_layers, wrong_precision


class Layer:
    """A layer as TensorRT shows it."""

    def __init__(self, kind: str, inputs: Sequence[str | None], outputs: Sequence[str]) -> None:
        self.type = SimpleNamespace(name=kind)
        self.inputs = [name and tensor(name) for name in inputs]
        self.outputs = [tensor(name) for name in outputs]
        self.num_inputs, self.num_outputs = len(inputs), len(outputs)

    def get_input(self, index: int) -> object:
        return self.inputs[index]

    def get_output(self, index: int) -> object:
        return self.outputs[index]


def tensor(name: str) -> SimpleNamespace:
    """``x:HALF`` is a tensor x of that type."""
    return SimpleNamespace(name=name, dtype=SimpleNamespace(name=name.partition(":")[2]))


def counted(*layers: Layer) -> LayerCounts:
    return count_layers(SimpleNamespace(num_layers=len(layers), get_layer=lambda i: layers[i]))


def test_layers_are_counted_by_kind_and_type() -> None:
    convolution = Layer("CONVOLUTION", ["a:HALF", None], ["b:HALF"])
    other = Layer("SOFTMAX", ["b:HALF"], ["c:FLOAT"])
    assert counted(convolution, other, convolution, Layer("ASSERTION", ["d:BOOL"], [])) == {
        "CONVOLUTION": {"HALF": 2},
        "SOFTMAX": {"FLOAT": 1},
    }


@pytest.mark.parametrize(
    ("inputs", "counts_as"),
    [
        (["x:HALF", "w:HALF"], "INT8"),
        (["x:HALF", "w:HALF", "bias:HALF"], "INT8"),
        (["x:HALF", "bias:HALF"], "HALF"),
        (["bias:HALF", "w:HALF"], "HALF"),
        (["x:HALF", "fp8:HALF"], "HALF"),
        (["x:HALF"], "HALF"),
        (["x:HALF", None], "HALF"),
    ],
)
def test_a_product_is_of_8_bits_if_both_factors_were(
    inputs: list[str | None], counts_as: str
) -> None:
    found = counted(
        Layer("DEQUANTIZE", ["xq:INT8", "scale:HALF"], ["x:HALF"]),
        Layer("DEQUANTIZE", ["wq:INT8", "scale:HALF"], ["w:HALF"]),
        Layer("DEQUANTIZE", ["vq:FP8", "scale:HALF"], ["fp8:HALF"]),
        Layer("MATRIX_MULTIPLY", inputs, ["y:HALF"]),
    )
    assert found["MATRIX_MULTIPLY"] == {counts_as: 1}


@pytest.mark.parametrize(
    ("convolutions", "asked", "wrong"),
    [
        ({"FLOAT": 62}, "fp32", None),
        ({"FLOAT": 61, "HALF": 1}, "fp32", "is not fp32: .* 62 .* as 61 fp32, 1 fp16$"),
        ({"FLOAT": 62}, "fp16", "is not fp16: .* as 62 fp32$"),
        ({"FLOAT": 2, "HALF": 60}, "fp16", None),
        ({"FLOAT": 31, "HALF": 31}, "fp16", "is not fp16"),
        ({"FLOAT": 10, "INT8": 52}, "int8", None),
        ({"HALF": 10, "INT8": 52}, "fp16", "as 10 fp16, 52 int8$"),
        ({"BF16": 62}, "fp16", "as 62 BF16$"),
        ({}, "fp32", "has no convolution or matrix product that could be fp32"),
    ],
)
def test_a_precision_is_that_of_most_convolutions(
    convolutions: dict[str, int], asked: str, wrong: str | None
) -> None:
    counts = {"CONVOLUTION": convolutions, "SOFTMAX": {"FLOAT": 1000}}
    found = wrong_precision(counts, asked)
    assert (found is None) == (wrong is None)
    if wrong:
        with pytest.raises(ValueError, match=wrong):
            raise ValueError(found)


def test_matrix_products_count_as_convolutions_do() -> None:
    counts = {"CONVOLUTION": {"HALF": 1}, "MATRIX_MULTIPLY": {"FLOAT": 3}}
    assert wrong_precision(counts, "fp16")
    assert wrong_precision({**counts, "DECONVOLUTION": {"HALF": 3}}, "fp16") is None

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from small_model import SMALL
from torch import nn

from streamseg.errors import InputError, ModelError
from streamseg.export import quantize
from streamseg.export.quantize import FLOAT_LAYERS, quantize_onnx
from streamseg.export.to_onnx import export_onnx
from streamseg.model.network import Network
from streamseg.results import Image
from streamseg.runtime.onnx import OnnxRuntime


def blobs(count: int) -> list[Image]:
    """Pictures with structure at many scales: noise, enlarged."""
    rng = np.random.default_rng(0)
    return [
        np.kron(rng.integers(0, 256, (8, 12, 3)), np.ones((8, 8, 1))).astype(np.uint8)
        for _ in range(count)
    ]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The float file of a network with random weights but real running statistics."""
    torch.manual_seed(0)
    network = Network(SMALL)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the mean over all batches
    pixels = torch.from_numpy(np.stack(blobs(8))).permute(0, 3, 1, 2).float()
    with torch.no_grad():
        for _ in range(3):
            network(pixels)
    path = tmp_path_factory.mktemp("export") / "model.onnx"
    export_onnx(network, path)
    return path


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
    assert len(in_float) == FLOAT_LAYERS + 4  # position and output of both heads
    assert len(convolutions) > 2 * len(in_float)
    # a clip between a convolution and its quantization would keep it in float
    quantized = [n.input[0] for n in graph.node if n.op_type == "QuantizeLinear"]
    assert not [name for name in quantized if producer[name] in ("Clip", "Relu")]


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


def test_pictures_are_needed(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs pictures"):
        quantize_onnx(exported, tmp_path / "model.onnx", [])

from __future__ import annotations

import logging
import shutil
import sys
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from small_model import SMALL

from streamseg.config import ModelConfig
from streamseg.errors import MissingExtraError, ModelError
from streamseg.export.to_onnx import TOLERANCE, DecoderPicture, export_onnx
from streamseg.model.network import Network
from streamseg.model.weights import network_from
from streamseg.runtime.onnx import OnnxRuntime


@dataclass(frozen=True)
class Exported:
    network: Network
    path: Path
    difference: float


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """An untrained network and its file: an export takes seconds."""
    torch.manual_seed(0)
    network = Network(SMALL)
    path = tmp_path_factory.mktemp("export") / "model.onnx"
    return Exported(network, path, export_onnx(network, path))


def torch_onnx_writes(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make torch's exporter give this graph, whatever network it is asked for."""

    def write(module: Any, example: Any, path: Path, **options: Any) -> None:
        shutil.copy(source, path)

    monkeypatch.setattr(torch.onnx, "export", write)


def test_the_export_agrees_with_torch_and_leaves_one_file(exported: Exported) -> None:
    assert 0 <= exported.difference <= TOLERANCE
    assert [path.name for path in exported.path.parent.iterdir()] == ["model.onnx"]
    assert not exported.network.training
    assert logging.getLogger("torch.onnx").level != logging.ERROR


@pytest.mark.parametrize(("height", "width"), [(32, 32), (64, 224), (128, 192)])
def test_the_file_runs_at_every_multiple_of_32(exported: Exported, height: int, width: int) -> None:
    image = np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)
    output = OnnxRuntime(exported.path, threads=1).run(image)
    with torch.inference_mode():
        expected = DecoderPicture(exported.network)(torch.from_numpy(image)[None])
    for ours, theirs in zip((output.embeddings, output.logits), expected, strict=True):
        reference = theirs[0].numpy()
        assert_allclose(ours, reference, rtol=0, atol=1e-3 * np.abs(reference).max())


def test_the_files_metadata_hold_the_config(exported: Exported) -> None:
    assert OnnxRuntime(exported.path, threads=1).config == SMALL


def test_the_file_tells_nothing_of_the_machine_that_wrote_it(exported: Exported) -> None:
    assert b'File "' not in exported.path.read_bytes()  # as in stack traces


@pytest.mark.parametrize("wrong", [0.5, torch.nan])
def test_a_graph_that_disagrees_is_refused_and_the_old_file_stays(
    exported: Exported, wrong: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch_onnx_writes(exported.path, monkeypatch)
    other = deepcopy(exported.network)
    *_, bias = other.embedding_head.parameters()
    bias.data += wrong
    old = tmp_path / "model.onnx"
    old.write_bytes(b"old")
    with pytest.raises(ModelError, match="differs from torch by"):
        export_onnx(other, old)
    assert old.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [old]


def test_without_onnxscript_the_extra_is_named(
    exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(MissingExtraError, match=r"streamseg\[export\]"):
        export_onnx(exported.network, tmp_path / "model.onnx")


def test_weights_make_a_network_again_if_they_fit(exported: Exported) -> None:
    weights = exported.network.state_dict()
    again = network_from(weights, SMALL).state_dict()
    assert all(torch.equal(again[name], tensor) for name, tensor in weights.items())
    with pytest.raises(ModelError, match="weights do not fit"):
        network_from(weights, ModelConfig())

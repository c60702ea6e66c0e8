from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from streamseg.config import ModelConfig
from streamseg.errors import ModelError
from streamseg.model.network import Network
from streamseg.model.weights import (
    Checkpoint,
    load_checkpoint,
    load_safetensors,
    save_checkpoint,
    save_safetensors,
)

SMALL = ModelConfig(trunk="test_efficientnet", neck_channels=8, head_channels=8)


@pytest.fixture(scope="module")
def weights() -> dict[str, Tensor]:
    """A small network's, every tensor with values of its own."""
    torch.manual_seed(0)
    return {
        name: torch.randn_like(tensor) if tensor.is_floating_point() else tensor + 7
        for name, tensor in Network(SMALL).state_dict().items()
    }


@pytest.fixture
def checkpoint(weights: dict[str, Tensor]) -> Checkpoint:
    parameter = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.AdamW([parameter], weight_decay=0.1)
    parameter.grad = torch.tensor([1.0, 2.0, 3.0])
    optimizer.step()
    return Checkpoint(
        network=dict(list(weights.items())[:8]),
        optimizer=optimizer.state_dict(),
        step=12,
        model_config=SMALL,
        train_config_json='{"steps": 20}',
        image_ids=["2007_000032", "ä"],
    )


def flattened(value: Any) -> Any:
    """Nested containers with their tensors as lists, comparable with ==."""
    if isinstance(value, Tensor):
        return value.tolist()
    if isinstance(value, dict):
        return {key: flattened(item) for key, item in value.items()}
    return [flattened(item) for item in value] if isinstance(value, list | tuple) else value


def test_a_checkpoint_comes_back_as_it_went(checkpoint: Checkpoint, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "run.pt", checkpoint)
    loaded = load_checkpoint(tmp_path / "run.pt")
    for field in fields(Checkpoint):
        expected = flattened(getattr(checkpoint, field.name))
        assert flattened(getattr(loaded, field.name)) == expected, field.name


# what torch.load raises differs with every kind of damage
@pytest.mark.parametrize(
    "content", [b"", b"hello there\n", b"\x80\x02", bytes(100), b"PK\x03\x04.."]
)
def test_a_file_of_another_kind_is_no_checkpoint(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "run.pt").write_bytes(content)
    with pytest.raises(ModelError, match=r"run\.pt is not a streamseg checkpoint"):
        load_checkpoint(tmp_path / "run.pt")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_truncated_checkpoint_is_refused(
    checkpoint: Checkpoint, share: float, tmp_path: Path
) -> None:
    path = tmp_path / "run.pt"
    save_checkpoint(path, checkpoint)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ModelError, match="is not a streamseg checkpoint"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    "content",
    [
        [1, 2],
        {"state_dict": {}},
        {"model_config": ModelConfig().to_json()},
        {"model_config": '{"colour": 1}'},
        {"model_config": 3},
    ],
)
def test_torch_files_of_others_are_refused(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "run.pt")
    with pytest.raises(ModelError, match="is not a streamseg checkpoint"):
        load_checkpoint(tmp_path / "run.pt")


@pytest.mark.parametrize("load", [load_checkpoint, load_safetensors])
def test_missing_files_and_folders_are_named(load: Any, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"absent does not exist"):
        load(tmp_path / "absent")
    with pytest.raises(ModelError, match="is not a"):
        load(tmp_path)


def test_safetensors_halve_weights_and_keep_running_statistics(
    weights: dict[str, Tensor], tmp_path: Path
) -> None:
    path = tmp_path / "model.safetensors"
    save_safetensors(path, weights, SMALL)
    loaded, config = load_safetensors(path)
    assert config == SMALL
    assert loaded.keys() == weights.keys()
    for name, tensor in weights.items():
        assert loaded[name].dtype == tensor.dtype
        if name.endswith(("running_mean", "running_var", "num_batches_tracked")):
            assert torch.equal(loaded[name], tensor), name
        else:
            # half of float16's spacing: 2^-11 of the value, 2^-25 below its normal range
            assert ((loaded[name] - tensor).abs() <= tensor.abs() * 2**-11 + 2**-25).all(), name
    Network(SMALL).load_state_dict(loaded)
    floats = sum(tensor.nbytes for tensor in weights.values())
    assert path.stat().st_size < 0.7 * floats


def test_others_may_read_safetensors_as_they_may_any_new_file(tmp_path: Path) -> None:
    save_safetensors(tmp_path / "x.safetensors", {"w": torch.ones(1)}, SMALL)
    (tmp_path / "plain").touch()
    assert (tmp_path / "x.safetensors").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_weights_beyond_float16_keep_their_precision(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    huge = {"a": torch.tensor([1e5, 1.0]), "b": torch.tensor([2.0])}
    save_safetensors(path, huge, SMALL)
    assert {name: tensor.dtype for name, tensor in load_file(path).items()} == {
        "a": torch.float32,
        "b": torch.float16,
    }
    assert torch.equal(load_safetensors(path)[0]["a"], huge["a"])


def test_channels_last_weights_can_be_saved(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    weight = torch.arange(2.0 * 3 * 4 * 5).view(2, 3, 4, 5)
    save_safetensors(path, {"w": weight.contiguous(memory_format=torch.channels_last)}, SMALL)
    assert torch.equal(load_safetensors(path)[0]["w"], weight)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (None, "was not written by streamseg"),
        ({"format": "pt"}, "was not written by streamseg"),
        ({"streamseg": '{"colour": 1}'}, "unknown keys: colour; it needs another version"),
    ],
)
def test_safetensors_of_others_are_refused(
    metadata: dict[str, str] | None, message: str, tmp_path: Path
) -> None:
    save_file({"a": torch.ones(1)}, tmp_path / "x.safetensors", metadata=metadata)
    with pytest.raises(ModelError, match=message):
        load_safetensors(tmp_path / "x.safetensors")


def test_a_text_file_is_no_safetensors(tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_text("nothing of the kind")
    with pytest.raises(ModelError, match="is not a safetensors file"):
        load_safetensors(tmp_path / "x.safetensors")


def test_the_config_in_the_header_is_the_one_of_the_network(tmp_path: Path) -> None:
    other = replace(SMALL, class_names=("nut", "bolt"), max_pixels=320 * 192)
    save_safetensors(tmp_path / "x.safetensors", {"a": torch.ones(1)}, other)
    assert load_safetensors(tmp_path / "x.safetensors")[1] == other

"""Which classes a run teaches, and what it starts from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from dataset_files import coco_document, rectangle, write_coco
from torch import Tensor

from streamseg.classes import COCO_CLASSES, VOC_CLASSES
from streamseg.config import ModelConfig
from streamseg.datasets import CocoFile
from streamseg.errors import ConfigError
from streamseg.model.network import UNKNOWN_TO_TRUNK, Network
from streamseg.model.weights import network_from, save_safetensors, with_class_names
from streamseg.train.run_config import Tables
from streamseg.train.setup import prepare

# pycocotools 2.0.11 itself does not follow numpy 2 when it decodes
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SMALL = ModelConfig(
    trunk="test_efficientnet",
    embedding_dim=4,
    neck_channels=8,
    head_channels=8,
    taus=(0.5, 0.75),
    class_names=VOC_CLASSES,
    score_thresholds=tuple(k / 20 for k in range(20)),
)
OWN = ("forklift", "Car", "pallet", "person", "truck")


def own_data(folder: Path, names: tuple[str, ...] = OWN) -> CocoFile:
    objects = [{"category": name, "segmentation": rectangle(0, 0, 2, 2)} for name in names]
    return CocoFile(write_coco(folder / "a.json", folder, coco_document(objects, categories=names)))


@pytest.fixture
def initial(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save_safetensors(tmp_path / "old.safetensors", Network(SMALL).state_dict(), SMALL)
    return tmp_path / "old.safetensors"


@pytest.mark.parametrize("trunk", ["test_efficientnet", "picodet-s"])
def test_classes_in_common_keep_their_scores(trunk: str) -> None:
    torch.manual_seed(0)
    config = replace(SMALL, trunk=trunk, neck_channels=96)
    network = Network(config).eval()
    torch.nn.init.normal_(network.class_head.weight, std=0.3)
    weights, new = with_class_names(network.state_dict(), config, OWN)
    assert new.class_names == OWN
    assert new.score_thresholds == (0.5, 6 / 20, 0.5, 14 / 20, 0.5)
    other = network_from(weights, new).eval()
    pixels = torch.rand(1, 3, 64, 96) * 255
    with torch.no_grad():
        before, after = network(pixels), other(pixels)
    for name in ("embeddings", "foreground"):
        assert torch.equal(getattr(before, name), getattr(after, name))
    common: list[Tensor] = [before.classes[:, [6, 14]], after.classes[:, [1, 3]]]
    assert torch.equal(*common)
    # nobody knows forklifts and pallets yet
    scale = network.prior_scale if trunk == "picodet-s" else 1
    assert torch.allclose(after.classes[:, [0, 2]], torch.tensor(UNKNOWN_TO_TRUNK) * scale)
    if trunk == "picodet-s":  # the trunk knows trucks, though the old model had none
        assert torch.equal(after.classes[:, 4], after.prior[:, 4] * scale)


def test_a_new_model_is_taught_the_classes_of_its_data(tmp_path: Path, initial: Path) -> None:
    data = [own_data(tmp_path / "a"), own_data(tmp_path / "b", ("PALLET", "zebra"))]
    config, weights = prepare(tmp_path / "run", initial, {}, data)
    assert config.model.class_names == (*OWN, "zebra")
    assert weights is not None
    assert weights["class_head.weight"].shape[0] == 6
    config, weights = prepare(tmp_path / "run", None, {}, data)
    assert config.model.class_names == (*OWN, "zebra")
    assert weights is None


def test_keep_classes_keeps_those_of_the_initial_model(tmp_path: Path, initial: Path) -> None:
    data = [own_data(tmp_path)]
    keep: Tables = {"train": {"keep_classes": True}}
    config, _ = prepare(tmp_path / "run", initial, keep, data)
    assert config.model.class_names == (*VOC_CLASSES, "forklift", "pallet", "truck")
    config, _ = prepare(tmp_path / "run", None, keep, data)  # a detector knows COCO's
    assert config.model.class_names == (*COCO_CLASSES, "forklift", "pallet")
    known = own_data(tmp_path / "b", ("motorbike", "car"))
    config, _ = prepare(tmp_path / "run", None, keep, [known])
    assert config.model == ModelConfig()


def test_listed_classes_and_a_table_decide(tmp_path: Path, initial: Path) -> None:
    data = [own_data(tmp_path)]
    table: Tables = {"classes": {"forklift": "truck", "pallet": "void"}}
    config, _ = prepare(tmp_path / "run", initial, {**table}, data)
    assert config.model.class_names == ("truck", "Car", "person")
    assert config.classes == table["classes"]
    listed: Tables = {
        "model": {"class_names": ["person", "truck", "car"], "score_thresholds": [0, 0, 1]}
    }
    config, _ = prepare(tmp_path / "run", initial, {**table, **listed}, data)
    assert config.model.class_names == ("person", "truck", "car")
    assert config.model.score_thresholds == (0, 0, 1)
    with pytest.raises(
        ConfigError, match=r"classes that the data do not have: palet \(did you mean pallet\?\)"
    ):
        prepare(tmp_path / "run", initial, {"classes": {"palet": "void"}}, data)

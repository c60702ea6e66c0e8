from __future__ import annotations

import codecs
from dataclasses import replace
from pathlib import Path

import pytest

from streamseg.config import ModelConfig
from streamseg.errors import ConfigError
from streamseg.train.config import TrainConfig
from streamseg.train.run_config import RunConfig, merged, parse_assignments, read_toml

RECIPES = Path(__file__).parents[2] / "recipes"


def test_a_written_configuration_reads_back_as_it_was(tmp_path: Path) -> None:
    config = RunConfig(
        ModelConfig(trunk="resnet18", class_names=('a "quoted" nut', "Schraube ä\\"), taus=(0.5,)),
        TrainConfig(learning_rate=1e-5, clip_norm=float("inf"), scale_range=(0.25, 3.0), seed=7),
    )
    path = tmp_path / "config.toml"
    path.write_text(config.to_toml(), encoding="utf-8")
    assert RunConfig().changed(read_toml(path)) == config


def test_files_are_laid_over_defaults_and_settings_over_files(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text("[train]\nsteps = 7\nlearning_rate = 1\n")
    settings = parse_assignments(["train.steps=8", "model.trunk=resnet18", "model.taus=[0.5, 0.9]"])
    config = RunConfig().changed(merged([read_toml(path), settings]))
    assert config.train == replace(TrainConfig(), steps=8, learning_rate=1.0)
    assert config.model == replace(ModelConfig(), trunk="resnet18", taus=(0.5, 0.9))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[train]\nlerning_rate = 1", r"lerning_rate \(did you mean learning_rate\?\)"),
        ("[trian]\nsteps = 1", r"trian \(did you mean train\?\)"),
        ("steps = 1", r"run\.toml: steps stands outside .*did you mean train\.steps\?"),
        ("[train]\nsteps = 'many'", "steps must be a whole number, got 'many'"),
        ("[train]\nsteps = 0", "steps must be at least 1"),
        ("[train]\nweight_decay = -0.1", "weight_decay must not be negative"),
        ("[train", r"run\.toml is not TOML"),
    ],
)
def test_files_that_cannot_be_meant_are_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        RunConfig().changed(read_toml(path))


def test_a_byte_order_mark_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_bytes(codecs.BOM_UTF8 + b"[train]\r\nsteps = 8\r\n")
    assert read_toml(path) == {"train": {"steps": 8}}


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml cannot be read: No such file"):
        read_toml(tmp_path / "absent.toml")


@pytest.mark.parametrize("setting", ["steps=3", "train.steps", "steps"])
def test_a_setting_of_another_form_is_refused(setting: str) -> None:
    with pytest.raises(ConfigError, match=r"train\.steps=100, got .*did you mean train\.steps\?"):
        parse_assignments([setting])


@pytest.mark.parametrize("recipe", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_recipes_can_be_given_to_config(recipe: Path) -> None:
    RunConfig().changed(read_toml(recipe))


def test_the_papers_recipe_has_the_papers_numbers() -> None:
    config = RunConfig().changed(read_toml(RECIPES / "paper.toml"))
    assert config.model.trunk == "deeplab"
    assert config.model.pyramid == (0.25, 0.5, 1, 2)
    assert config.model.embedding_dim == 64
    assert config.train.points_per_instance == 10
    assert config.train.scale_range == (0.7, 1.5)
    assert config.train.class_weight == 0.2
    assert config.train.semantic_weight == config.train.mask_weight == 0

"""The settings of a run: those asked for, over those of its past or of the initial model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from streamseg.classes import distinct, plain_name
from streamseg.datasets import InstanceDataset, taught_classes, with_mapping
from streamseg.errors import ConfigError
from streamseg.model.trunks import detected_classes
from streamseg.model.weights import load_safetensors, with_class_names
from streamseg.parsing import suggest
from streamseg.train.run_config import RunConfig, Tables
from streamseg.train.run_folder import saved_config


def prepare(
    folder: Path, init: Path | None, asked: Tables, datasets: Sequence[InstanceDataset]
) -> tuple[RunConfig, dict[str, Tensor] | None]:
    """All settings of a run, and the weights that it starts from if any were asked for.

    The classes of a new model are those that ``class_names`` lists, else those of the data and,
    with ``keep_classes``, those of the initial model before them.

    Args:
        folder: of the run, which may be there already.
        init: weights to start from.
        asked: the settings that the user gave.
        datasets: as they are on disk.

    Raises:
        ConfigError: values that are not allowed, or another model than that of the run so far.
        DataError: a mask cannot be read.
        ModelError: a file cannot be read.
    """
    so_far, weights = saved_config(folder), None
    base = so_far or RunConfig()
    if init:
        weights, model_config = load_safetensors(init)
        base = replace(base, model=model_config)
    of_model = dict(asked.get("model", {}))
    # both have one entry per class, and can be checked only when the classes are known
    by_class: dict[str, object] = {
        key: of_model.pop(key) for key in ("class_names", "score_thresholds") if key in of_model
    }
    config = base.changed({**asked, "model": of_model})
    check_mapping(config.classes, datasets)
    if "class_names" in by_class:
        names = RunConfig().changed({"model": {"class_names": by_class["class_names"]}})
        class_names = names.model.class_names
    elif so_far:
        class_names = so_far.model.class_names
    else:
        class_names = taught_classes(with_mapping(data, config.classes) for data in datasets)
        if config.train.keep_classes:
            own = config.model.class_names if weights else detected_classes(config.model.trunk)
            class_names = distinct((*own, *class_names))
    if weights:
        weights, model = with_class_names(weights, config.model, class_names)
    elif class_names != config.model.class_names:
        model = replace(config.model, class_names=class_names, score_thresholds=())
    else:
        model = config.model
    config = replace(config, model=model).changed({"model": by_class})
    if so_far and so_far.model != config.model:
        raise ConfigError(
            f"{folder} holds a run with another [model]; leave [model] and --init as they "
            f"were or choose another --out"
        )
    return config, weights


def check_mapping(mapping: Mapping[str, str], datasets: Sequence[InstanceDataset]) -> None:
    """Refuse names in the user's table that no data set has: they are probably misspelt.

    Raises:
        ConfigError: there is one.
    """
    known = distinct(name for data in datasets for name in data.class_names)
    plain = {plain_name(name) for name in known}
    if wrong := [name for name in mapping if plain_name(name) not in plain]:
        listed = ", ".join(suggest(name, known) for name in wrong)
        raise ConfigError(f"[classes] names classes that the data do not have: {listed}")

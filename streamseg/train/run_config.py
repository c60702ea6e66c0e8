"""The configuration of a run in one TOML file: tables ``[model]``, ``[train]``, ``[classes]``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypeAlias

from streamseg.config import ModelConfig
from streamseg.errors import ConfigError
from streamseg.files.text import read_text
from streamseg.parsing import parse_values
from streamseg.train.config import TrainConfig

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Tables: TypeAlias = dict[str, dict[str, object]]
"""Values by table and key."""
TABLES: dict[str, type[ModelConfig] | type[TrainConfig]] = {
    "model": ModelConfig,
    "train": TrainConfig,
}
"""Those with fixed keys."""


@dataclass(frozen=True)
class RunConfig:
    """All settings of a run."""

    model: ModelConfig = field(default_factory=ModelConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    classes: dict[str, str] = field(default_factory=dict)
    """What classes of the data become, see ``streamseg.datasets.with_mapping``."""

    def changed(self, tables: Tables) -> RunConfig:
        """Override values of this configuration.

        Raises:
            ConfigError: an unknown table or key (with a suggestion), or a value not allowed.
        """
        own = asdict(self)
        laid = {table: {**own.get(table, {}), **values} for table, values in tables.items()}
        return parse_values(RunConfig, {**own, **laid}, "the run's configuration")

    def to_toml(self) -> str:
        """Every value, as a file that ``read_toml`` reads back."""
        import tomli_w

        return tomli_w.dumps(asdict(self))


def read_toml(path: Path) -> Tables:
    """Read the tables of a configuration file; ``RunConfig.changed`` checks what they hold.

    Raises:
        ConfigError: missing, not TOML, or a value outside of a table.
    """
    try:
        tables = tomllib.loads(read_text(path, ConfigError))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
    for key, values in tables.items():
        if not isinstance(values, dict):
            raise ConfigError(f"{path}: {key} stands outside of a table; {_full_names(key)}")
    return tables


def parse_assignments(assignments: Iterable[str]) -> Tables:
    """Tables from ``TABLE.KEY=VALUE``, the value as in TOML; text may go without quotes.

    Raises:
        ConfigError: of another form.

    >>> parse_assignments(["train.steps=100", "model.trunk=resnet18"])
    {'train': {'steps': 100}, 'model': {'trunk': 'resnet18'}}
    """
    tables: Tables = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        table, dot, key = name.strip().partition(".")
        if not (equals and dot):
            raise ConfigError(
                f"a setting must look like train.steps=100, got {assignment!r}; "
                f"{_full_names(name.strip().rpartition('.')[2])}"
            )
        tables.setdefault(table, {})[key] = _value(text.strip())
    return tables


def merged(layers: Iterable[Mapping[str, Mapping[str, object]]]) -> Tables:
    """Merge tables; later ones override earlier ones."""
    whole: Tables = {}
    for layer in layers:
        for table, values in layer.items():
            whole.setdefault(table, {}).update(values)
    return whole


def _full_names(key: str) -> str:
    """Suggest the full name of a key, or list the tables."""
    found = [f"{table}.{key}" for table, kind in TABLES.items() if key in kind.__dataclass_fields__]
    return f"did you mean {found[0]}?" if found else "the tables are [model], [train] and [classes]"


def _value(text: str) -> object:
    try:
        value: object = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
    return value

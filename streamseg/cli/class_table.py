"""The table of categories and classes that is printed before a training or an evaluation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from streamseg.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from streamseg.datasets import InstanceDataset


def print_classes(
    datasets: Iterable[InstanceDataset],
    mapping: Mapping[str, str],
    class_names: Sequence[str],
    unknown: str,
) -> None:
    """Print what becomes of each category of the data.

    Args:
        datasets: as they are on disk.
        mapping: the user's table ``[classes]``.
        class_names: of the model.
        unknown: text to print for a class that the model does not have.
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from streamseg.datasets import mapped_classes

    table = Table("category", "objects", "becomes", box=None, pad_edge=False)
    table.columns[1].justify = "right"
    for category in mapped_classes(datasets, mapping, class_names):
        becomes = category.becomes if category.is_known else f"{category.becomes}: {unknown}"
        table.add_row(escape(category.name), str(category.objects), escape(becomes))
    Console(soft_wrap=True).print(table)


def read_mapping(path: Path | None) -> dict[str, str]:
    """The table ``[classes]`` of a configuration file; empty without a file or a table.

    Raises:
        ConfigError: the file cannot be read, or a value is no text.
        MissingExtraError: Python 3.10 without the package ``tomli``.
    """
    if path is None:
        return {}
    try:
        from streamseg.train.run_config import read_toml
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "tomli", "train") from error
    mapping = {}
    for name, target in read_toml(path).get("classes", {}).items():
        if not isinstance(target, str):
            raise ConfigError(f"{path}: [classes] {name} must be text, got {target!r}")
        mapping[name] = target
    return mapping

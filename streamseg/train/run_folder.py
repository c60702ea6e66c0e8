"""Files of a run that the training loop reads and writes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from streamseg.errors import SinkError
from streamseg.files.atomic_write import atomic_write
from streamseg.files.claims import written_alone
from streamseg.model.weights import Checkpoint, load_checkpoint, save_checkpoint
from streamseg.train.config import TrainConfig
from streamseg.train.run_config import RunConfig

CHECKPOINT: Final = "checkpoint.pt"
METRICS: Final = "metrics.jsonl"
CONFIG: Final = "config.toml"


def last_checkpoint(folder: Path) -> Checkpoint | None:
    """Read the checkpoint of the run in a folder; None if there is none.

    Raises:
        ModelError: it cannot be read.
    """
    path = folder / CHECKPOINT
    return load_checkpoint(path) if path.exists() else None


def saved_config(folder: Path) -> RunConfig | None:
    """The configuration of the run in a folder, by its checkpoint; None if there is none.

    Raises:
        ModelError: the checkpoint cannot be read.
    """
    saved = last_checkpoint(folder)
    if saved is None:
        return None
    return RunConfig(
        saved.model_config, TrainConfig.from_json(saved.train_config_json), saved.classes
    )


def write_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Replace the checkpoint of the run in a folder, atomically."""
    with atomic_write(folder / CHECKPOINT) as partial:
        save_checkpoint(partial, checkpoint)


@contextmanager
def training_alone(folder: Path) -> Iterator[None]:
    """Lock the folder of a run, which is made if it is missing, against other runs.

    Raises:
        SinkError: another run has the lock, or the folder cannot be made.
    """
    _make(folder)
    with written_alone(folder):
        yield


def write_config(folder: Path, config: RunConfig) -> None:
    """Write the configuration of a run into its folder, which is made if it is missing.

    Raises:
        SinkError: the folder cannot be made or written to.
    """
    _make(folder)
    try:
        (folder / CONFIG).write_text(config.to_toml(), encoding="utf-8")
    except OSError as error:
        raise SinkError(f"cannot write to {folder}: {error.strerror}") from error


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SinkError(f"cannot write to {folder}: {error.strerror}") from error

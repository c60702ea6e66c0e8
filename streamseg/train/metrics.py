"""Metrics of a run: one line of JSON per step in ``metrics.jsonl``, each step once."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

from streamseg.files.atomic_write import atomic_write


@dataclass(frozen=True)
class StepLosses:
    """Losses of a step, over all processes."""

    step: int
    loss: float
    embedding_loss: float
    classification_loss: float
    semantic_loss: float
    mask_loss: float
    """0 if ``mask_weight`` is 0."""
    distillation_loss: float
    """0 if ``distillation_weight`` is 0, or the trunk does not detect."""
    good_seeds: float
    """Share of the drawn object pixels that would grow a good mask, over all τ."""
    gradient_norm: float


@dataclass(frozen=True)
class StepMetrics(StepLosses):
    """Losses and timings of a step, as logged."""

    seconds: float
    """Duration, without waiting for the batch."""
    waiting_seconds: float
    images_per_second: float
    loader_images_per_second: float
    """Images per second that the loader's processes can deliver."""

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self))


def open_log(path: Path, step: int) -> TextIO:
    """Open a log to append from ``step`` on.

    After a hard kill the log may be ahead of the checkpoint, or end within a line. Such lines
    are cut off: the run is about to write them again.

    Args:
        path: of the log; need not exist.
        step: the first that will be written.
    """
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    kept = "".join(line + "\n" for line in text.splitlines() if _step_of(line) < step)
    if kept != text:
        with atomic_write(path) as partial:
            partial.write_text(kept, encoding="utf-8")
    return path.open("a", encoding="utf-8")


def _step_of(line: str) -> float:
    """The step of a line; infinity if the line is incomplete."""
    try:
        return int(json.loads(line)["step"])
    except (ValueError, TypeError, KeyError):
        return float("inf")

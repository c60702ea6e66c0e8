"""Scores while training: the best weights are kept, and a run ends that learns no more."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small_run import MODEL, RUN
from torch import Tensor

from streamseg.datasets import VocLayout
from streamseg.errors import ConfigError, DataError
from streamseg.model.network import Network
from streamseg.model.weights import load_safetensors
from streamseg.train.loop import Trainer
from streamseg.train.metrics import StepMetrics
from streamseg.train.validation import BEST, VALIDATIONS, Validation, ValidationResult

# Python 3.12 and later warn of every fork that a data loader makes after torch started threads
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


@pytest.fixture(scope="module")
def start() -> dict[str, Tensor]:
    torch.manual_seed(0)
    return Network(MODEL).state_dict()


def validation(data: VocLayout, folder: Path, *, patience: int = 2, step: int = 100) -> Validation:
    return Validation(data, folder, MODEL, images=2, patience=patience, step=step)


def with_scores(checked: Validation, scores: Sequence[float]) -> Validation:
    checked.history = [
        ValidationResult(10 * i, score, {}) for i, score in enumerate(scores, start=1)
    ]
    return checked


@pytest.mark.parametrize(
    ("scores", "best", "is_over"),
    [
        ([], None, False),
        ([0.1], 10, False),
        ([0.1, 0.1], 10, False),
        ([0.1, 0.1, 0.05], 10, True),
        ([0.1, 0.1, 0.2], 30, False),
        ([0.3, 0.1, 0.2], 10, True),
    ],
)
def test_a_run_is_over_when_no_score_of_the_last_was_better(
    scores: list[float], best: int | None, is_over: bool, voc: VocLayout, tmp_path: Path
) -> None:
    checked = with_scores(validation(voc, tmp_path), scores)
    assert (checked.best and checked.best.step) == best
    assert checked.is_over == is_over
    checked.patience = 0
    assert not checked.is_over


def test_a_run_ends_early_and_its_best_weights_are_exported(
    voc: VocLayout, start: dict[str, Tensor], tmp_path: Path
) -> None:
    config = replace(
        RUN, checkpoint_every=1, patience=2, learning_rate=1e-12, trunk_learning_rate=1e-12
    )
    trainer = Trainer([voc], tmp_path, MODEL, config, start_from=start, validation_data=voc)
    steps: list[StepMetrics] = []
    found: list[ValidationResult] = []
    trainer.run(steps.append, found.append)
    assert trainer.step == len(steps) == len(found) == 3  # nothing is learned
    assert [result.step for result in found] == [1, 2, 3]
    lines = (tmp_path / VALIDATIONS).read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3]
    weights, step = trainer.best_weights()
    assert step == 1
    assert weights.keys() == load_safetensors(tmp_path / BEST)[0].keys()
    # the same command does nothing more
    again = Trainer([voc], tmp_path, MODEL, config, validation_data=voc)
    again.run(steps.append)
    assert len(steps) == 3


def test_results_after_the_checkpoint_are_cut_off(voc: VocLayout, tmp_path: Path) -> None:
    results = [ValidationResult(step, 0.5, {"car": 0.5}) for step in (10, 20, 30)]
    text = "".join(json.dumps(vars(result)) + "\n" for result in results)
    (tmp_path / VALIDATIONS).write_text(text)
    assert validation(voc, tmp_path, step=20).history == results[:2]


def test_images_without_what_the_model_knows_are_refused(
    voc: VocLayout, tmp_path: Path, make_voc: object
) -> None:
    other = replace(MODEL, class_names=("nut",))
    with pytest.raises(ConfigError, match="the model knows none of them"):
        Validation(voc, tmp_path, other, images=2, patience=0, step=0)
    empty = make_voc([[]])  # type: ignore[operator]
    with pytest.raises(DataError, match="none of the validation images shows an object"):
        Validation(empty, tmp_path, MODEL, images=2, patience=0, step=0)


def test_scores_and_a_sheet_come_from_the_same_images(
    voc: VocLayout, start: dict[str, Tensor], tmp_path: Path
) -> None:
    checked = validation(voc, tmp_path)
    result = checked.run(start, 7)
    assert result.step == 7
    assert 0 <= result.score <= 1
    # the first and the last image show classes 1, 2 and 3
    assert list(result.ap_of_class) == ["aeroplane", "bicycle", "bird"]
    assert result.line().startswith("step 7: mAP^r_vol ")
    assert "bicycle" in result.line()
    height, width, _ = checked.sheet(start).shape
    assert width > 1200  # two columns of truth and predictions
    assert height < 300

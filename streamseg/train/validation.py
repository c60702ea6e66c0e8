"""Scores of a run on images that it does not learn from; the best weights are kept."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from torch import Tensor

from streamseg.classes import shared_classes
from streamseg.config import ModelConfig
from streamseg.datasets import InstanceDataset
from streamseg.drawing.contact_sheet import contact_sheet
from streamseg.errors import ConfigError, DataError
from streamseg.evaluate.predictions import LEAST_SCORE, compare_instances, score_instances
from streamseg.evaluate.report.gallery import side_by_side
from streamseg.files.atomic_write import atomic_write
from streamseg.frame import Image
from streamseg.grouping.cpu import GroupingConfig
from streamseg.model.weights import load_safetensors, network_from, save_safetensors
from streamseg.runtime.torch_cpu import TorchRuntime
from streamseg.segmenter import Segmenter
from streamseg.train.data import evenly_chosen
from streamseg.train.metrics import open_log

VALIDATIONS: Final = "validation.jsonl"
BEST: Final = "best.safetensors"
SHEET_IMAGES: Final = 12
SHEET_COLUMNS: Final = 2


@dataclass(frozen=True)
class ValidationResult:
    """Scores of the weights at one step."""

    step: int
    """Steps done."""
    score: float
    """mAP^r_vol: mean over classes and over the IoUs 0.1, 0.2, ... 0.9; 0..1."""
    ap_of_class: dict[str, float]
    """The mean over IoUs of each class that has objects."""

    def line(self) -> str:
        """Score and classes in percent; without the classes if there are many."""
        classes = ", ".join(f"{name} {100 * ap:.1f}" for name, ap in self.ap_of_class.items())
        text = f"step {self.step}: mAP^r_vol {100 * self.score:.1f}"
        return f"{text} ({classes})" if len(self.ap_of_class) <= 12 else text


class Validation:
    """Scores the weights at every checkpoint, and decides when to stop.

    ``validation.jsonl`` holds a line for each time, ``best.safetensors`` the best weights so far.

    Attributes:
        history: all results, oldest first.
    """

    def __init__(
        self,
        data: InstanceDataset,
        folder: Path,
        model_config: ModelConfig,
        *,
        images: int,
        patience: int,
        step: int,
    ) -> None:
        """Choose the images, and read the results of an interrupted run.

        Args:
            data: classes of it that the model lacks score 0.
            folder: of the run.
            model_config: of the run.
            images: the most to score, evenly chosen.
            patience: results in a row without a better one after which to stop; 0 is never.
            step: of the run so far; later results are cut off.

        Raises:
            ConfigError: the model knows none of the classes of the data.
            DataError: a mask cannot be read, or none of the images shows an object.
        """
        self.data = data
        self.folder = folder
        self.model_config = model_config
        self.patience = patience
        self._shared = shared_classes(model_config.class_names, data.class_names)
        if not self._shared:
            raise ConfigError(
                f"the validation images are of the classes {', '.join(data.class_names)}, the "
                f"model knows none of them"
            )
        self.ids = [data.ids[index] for index in evenly_chosen(images, len(data))]
        if not any(len(data.load_maps(image_id)) for image_id in self.ids):
            raise DataError("none of the validation images shows an object")
        self.history: list[ValidationResult] = []
        path = folder / VALIDATIONS
        if path.exists():
            open_log(path, step + 1).close()
            lines = path.read_text(encoding="utf-8").splitlines()
            self.history = [ValidationResult(**json.loads(line)) for line in lines]

    @property
    def best(self) -> ValidationResult | None:
        """The best result so far, the first of equal ones."""
        return max(self.history, key=lambda result: result.score, default=None)

    @property
    def is_over(self) -> bool:
        """Whether the last results were no better for as long as ``patience`` allows."""
        best = self.best
        since = len(self.history) - self.history.index(best) - 1 if best else 0
        return 0 < self.patience <= since

    def run(self, weights: dict[str, Tensor], step: int) -> ValidationResult:
        """Score weights, and keep them if they are the best so far.

        Args:
            weights: of the network, on the CPU.
            step: at which they were reached.

        Raises:
            DataError: an image cannot be read.
        """
        segmenter = self._segmenter(weights)
        scores = score_instances(segmenter, self.data, self.ids)
        found = ValidationResult(
            step,
            scores.map_vol,
            {
                name: float(ap.mean())
                for name, ap, objects in zip(
                    scores.class_names, scores.ap, scores.object_count, strict=True
                )
                if objects
            },
        )
        best = self.best
        if best is None or found.score > best.score:
            with atomic_write(self.folder / BEST) as partial:
                save_safetensors(partial, weights, self.model_config)
        with open_log(self.folder / VALIDATIONS, step) as log:
            log.write(json.dumps(asdict(found)) + "\n")
        self.history.append(found)
        return found

    def best_weights(self) -> tuple[dict[str, Tensor], int] | None:
        """The best weights and their step; None before the first validation.

        Raises:
            ModelError: ``best.safetensors`` cannot be read.
        """
        best = self.best
        return (load_safetensors(self.folder / BEST)[0], best.step) if best else None

    def sheet(self, weights: dict[str, Tensor]) -> Image:
        """Some of the images, RGB uint8: the truth on the left, predictions on the right."""
        segmenter = self._segmenter(weights)
        names = self.data.class_names
        shown = []
        for image_id in self.ids[:: max(1, len(self.ids) // SHEET_IMAGES)][:SHEET_IMAGES]:
            sample = self.data.load(image_id)
            masks, compared = compare_instances(segmenter, sample, names)
            shown.append(side_by_side(sample, masks, compared, names))
        return contact_sheet(shown, SHEET_COLUMNS)

    def _segmenter(self, weights: dict[str, Tensor]) -> Segmenter:
        network = network_from(weights, self.model_config).eval()
        network.select(self._shared)
        grouping = GroupingConfig(min_score=LEAST_SCORE)
        return Segmenter(TorchRuntime(network), grouping=grouping)

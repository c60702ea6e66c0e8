"""All scores of one model on one set of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamseg.evaluate.coco import CocoResult, coco_ap
from streamseg.evaluate.matching import judge, precision_recall
from streamseg.evaluate.mistakes import Mistakes, confusion, sort_mistakes
from streamseg.evaluate.overlap import ImageComparison
from streamseg.evaluate.proposals import RecallResult, proposal_recall
from streamseg.evaluate.voc import VOLUME_THRESHOLDS, VocEvaluator, VocResult

CURVE_THRESHOLDS: Final = (0.5, 0.6, 0.7)
"""The IoUs of the paper, at which curves are kept."""

Curve = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Recall and precision at the corners of a curve."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Every score, from the same predictions."""

    voc: VocResult
    curves: dict[str, dict[float, Curve]]
    """Precision-recall curves by class (those with objects) and IoU threshold."""
    recall: RecallResult
    coco: CocoResult
    mistakes: Mistakes
    confusion: NDArray[np.int64]
    """[C, C+1], as ``streamseg.evaluate.mistakes.confusion`` returns it."""

    def to_json(self) -> dict[str, Any]:
        """All scores in JSON's own types."""
        return {
            "map_r": self.voc.to_json(),
            "coco": self.coco.to_json(),
            "proposal_recall": self.recall.to_json(),
            "mistakes": self.mistakes.to_json(self.voc.class_names),
            "confusion": {
                name: dict(zip((*self.voc.class_names, "missed"), row.tolist(), strict=True))
                for name, row in zip(self.voc.class_names, self.confusion, strict=True)
            },
            "curves": {
                name: {
                    f"{threshold:g}": {"recall": recall.tolist(), "precision": precision.tolist()}
                    for threshold, (recall, precision) in at.items()
                }
                for name, at in self.curves.items()
            },
        }


def evaluate(
    images: Sequence[ImageComparison], class_names: Sequence[str], min_area_px: int = 0
) -> Evaluation:
    """Compute all scores.

    Args:
        images: predictions compared with objects, each image once, at least one.
        class_names: of the data, C names.
        min_area_px: objects with fewer pixels are ignored (except by COCO's AP, which has area
            ranges of its own).

    Raises:
        InputError: no image, one that came twice, or a negative area.
    """
    collected = VocEvaluator(class_names, VOLUME_THRESHOLDS, min_area_px)
    for image in images:
        collected.add(image)
    voc = collected.result()
    matches = collected.matches()
    curves = {}
    for c in np.flatnonzero(voc.object_count).tolist():
        ranked = matches.ranked(c + 1)
        objects = int(voc.object_count[c])
        curves[class_names[c]] = {
            threshold: precision_recall(judge(ranked, threshold), objects)
            for threshold in CURVE_THRESHOLDS
        }
    return Evaluation(
        voc=voc,
        curves=curves,
        recall=proposal_recall(images, min_area_px=min_area_px),
        coco=coco_ap(images, len(class_names)),
        mistakes=sort_mistakes(matches, voc.object_count),
        confusion=confusion(images, len(class_names), min_area_px=min_area_px),
    )

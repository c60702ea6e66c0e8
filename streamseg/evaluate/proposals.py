"""Class-agnostic recall: how many objects the proposals cover, ignoring class and score.

The class-agnostic half of the paper's evaluation: recall at a fixed IoU against the number of
proposals, recall against IoU for a fixed number, and the mean of the latter, average recall.

An object is recalled if one of the proposals reaches the IoU with it. Objects of one image are
disjoint, so above an IoU of 1/2 no proposal covers two of them and one-to-one matching would
find the same. "The first n" are those that the method proposed first, as if asked for n only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamseg.evaluate.overlap import ImageComparison

PROPOSAL_COUNTS: Final = (10, 20, 30, 40, 50, 60, 70, 80, 90, 100)
RECALL_THRESHOLDS: Final = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
"""COCO's: average recall is the mean over them."""


@dataclass(frozen=True, eq=False)
class RecallResult:
    """Recall of objects by class-agnostic proposals."""

    counts: tuple[int, ...]
    """n, rising."""
    thresholds: tuple[float, ...]
    """J IoUs, rising."""
    recall: NDArray[np.float64]
    """[n, J], part of the objects that the first n proposals cover; nan without objects."""
    object_count: int

    @property
    def average_recall(self) -> NDArray[np.float64]:
        """AR [n]: mean over the thresholds."""
        mean: NDArray[np.float64] = self.recall.mean(axis=1)
        return mean

    def to_json(self) -> dict[str, Any]:
        """The result in JSON's own types; null without objects."""
        nothing = not self.object_count
        return {
            "objects": self.object_count,
            "proposals": list(self.counts),
            "thresholds": list(self.thresholds),
            "recall": None if nothing else self.recall.tolist(),
            "average_recall": None if nothing else self.average_recall.tolist(),
        }


def proposal_recall(
    images: Sequence[ImageComparison],
    counts: Sequence[int] = PROPOSAL_COUNTS,
    min_area_px: int = 0,
) -> RecallResult:
    """Measure recall against the number of proposals and IoU.

    Args:
        images: proposals compared with objects.
        counts: numbers n of proposals to allow.
        min_area_px: objects with fewer pixels do not count.
    """
    best = [np.empty((len(counts), 0))]
    for image in images:
        iou = image.overlap.iou[:, image.overlap.object_px >= min_area_px]
        # row n: the best IoU of each object among the first n; row 0 has none to choose from
        reached = np.zeros((len(iou) + 1, iou.shape[1]))
        reached[1:] = np.maximum.accumulate(iou[np.argsort(image.pick)], axis=0)
        best.append(reached[np.minimum(counts, len(iou))])
    reached = np.concatenate(best, axis=1)  # [n, objects]
    covered = reached[:, :, None] >= RECALL_THRESHOLDS
    objects = reached.shape[1]
    recall = covered.mean(axis=1) if objects else np.full(covered.shape[::2], np.nan)
    return RecallResult(tuple(counts), RECALL_THRESHOLDS, recall, objects)

"""Sort a model's mistakes by kind, after Hoiem et al. 2012 and TIDE (Bolya et al. 2020).

At one IoU threshold t, every false positive is of the first of these kinds that fits:

- duplicate: it reaches t with its best object, which a higher-scoring prediction has found;
- class: it reaches t with an object of another class;
- localisation: it has at least 0.1, but less than t, with an object of its own class;
- class and localisation: the same with an object of another class;
- background: it has less than 0.1 with every object.

An object without a true positive is missed. The cost of a kind is the rise of mAP^r without its
predictions; for missed objects, the rise if each were found by a prediction with the highest score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamseg.evaluate.matching import Matches, average_precision, verdicts
from streamseg.evaluate.overlap import ImageComparison
from streamseg.evaluate.voc import nullable

KINDS: Final = (
    "duplicate",
    "class",
    "localisation",
    "class and localisation",
    "background",
    "missed",
)
LEAST_IOU: Final = 0.1
"""Below this a prediction does not count as touching an object."""


@dataclass(frozen=True, eq=False)
class Mistakes:
    """Mistakes by kind, and what they cost."""

    threshold: float
    """The IoU that a true positive reaches."""
    count: NDArray[np.int64]
    """[C, 6], of each class (of the prediction; for missed ones of the object) and kind."""
    cost: NDArray[np.float64]
    """[6], rise of mAP^r without this kind, 0..1; nan without objects."""

    def to_json(self, class_names: Sequence[str]) -> dict[str, Any]:
        """The result in JSON's own types, by the names of the C classes."""
        return {
            "threshold": self.threshold,
            "cost": dict(zip(KINDS, nullable(self.cost), strict=True)),
            "count": {
                name: dict(zip(KINDS, row.tolist(), strict=True))
                for name, row in zip(class_names, self.count, strict=True)
            },
        }


def sort_mistakes(
    matches: Matches, object_count: NDArray[np.int64], threshold: float = 0.5
) -> Mistakes:
    """Sort the mistakes at one IoU threshold by kind.

    Args:
        matches: predictions of all classes.
        object_count: [C], objects to find.
        threshold: t.
    """
    count = np.zeros((len(object_count), len(KINDS)), np.int64)
    rise = np.full((len(object_count), len(KINDS)), np.nan)
    for c, objects in enumerate(object_count.tolist()):
        ranked = matches.ranked(c + 1)
        hits, left_out = verdicts(ranked, threshold)
        wrong = ~hits & ~left_out
        kind = _kind(ranked, threshold)
        missed = objects - int(hits.sum())
        count[c] = np.bincount(kind[wrong], minlength=len(KINDS))
        count[c, -1] = missed
        ap = average_precision(hits[~left_out], objects)
        for k in range(len(KINDS) - 1):
            rise[c, k] = average_precision(hits[~left_out & ~(wrong & (kind == k))], objects) - ap
        none_missed = np.concatenate([np.ones(missed, np.bool_), hits[~left_out]])
        rise[c, -1] = average_precision(none_missed, objects) - ap
    present = rise[object_count > 0]
    cost = present.mean(axis=0) if len(present) else np.full(len(KINDS), np.nan)
    return Mistakes(threshold, count, cost)


def _kind(ranked: Matches, threshold: float) -> NDArray[np.intp]:
    """Position in ``KINDS`` of each prediction, were it a false positive, [N]."""
    fits = np.stack(
        [
            ranked.iou >= threshold,
            ranked.other_iou >= threshold,
            ranked.iou >= LEAST_IOU,
            ranked.other_iou >= LEAST_IOU,
            np.ones(len(ranked.iou), np.bool_),
        ]
    )
    kind: NDArray[np.intp] = fits.argmax(axis=0)
    return kind


def confusion(
    images: Sequence[ImageComparison],
    class_count: int,
    threshold: float = 0.5,
    min_area_px: int = 0,
) -> NDArray[np.int64]:
    """Count which class objects are taken for.

    Args:
        images: predictions compared with objects.
        class_count: C.
        threshold: least IoU of a prediction with an object.
        min_area_px: objects with fewer pixels do not count.

    Returns:
        [C, C+1]: row the object's class; column the class of the highest-scoring prediction that
        reaches the threshold with it, whatever its class; the last column counts objects without
        any.
    """
    count = np.zeros((class_count, class_count + 1), np.int64)
    for image in images:
        by_score = np.argsort(-image.score, kind="stable")
        reaches = image.overlap.iou[by_score] >= threshold
        # the last row stands for "none", which everything reaches
        reaches = np.vstack([reaches, np.ones((1, reaches.shape[1]), np.bool_)])
        taken_for = np.append(image.class_id[by_score] - 1, class_count)
        counts = image.overlap.object_px >= min_area_px
        rows = image.class_of_object[counts] - 1
        np.add.at(count, (rows, taken_for[reaches.argmax(axis=0)[counts]]), 1)
    return count

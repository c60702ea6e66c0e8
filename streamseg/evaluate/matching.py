"""Which predicted masks are right, and the average precision that follows.

The protocol is AP^r of Hariharan et al. 2014 ("Simultaneous Detection and Segmentation") with the
conventions of ``chainercv.evaluations.eval_instance_segmentation_voc``:

1. A prediction is compared with the objects of its own class in its own image, and belongs to the
   one of highest IoU (ties: the object of the lower number), whether another prediction has that
   object already or not. With no overlap at all it belongs to none.
2. Over all images, predictions are taken by falling score. Equal scores keep the order in which
   they came, so that a result never depends on a sorting algorithm.
3. A prediction is a true positive if its IoU is at least the threshold (not strictly above) and no
   earlier one has taken the object; else a false positive. Duplicates are false positives, even
   where a second object overlaps them enough.
4. AP is the whole area under the precision-recall curve, precision made monotonically
   decreasing ("all points", as in VOC 2010 and later), not the eleven points of VOC 2007.

Added to that, because VOC's object maps hold void and street scenes hold specks:

5. Void pixels are ignored: a predicted mask is judged without its void pixels, which enter neither
   intersection nor union. (chainercv counts them as background.)
6. "Difficult" objects need no rule of their own: VOC's segmentation maps hold them as void.
7. Small objects are ignored, as COCO does by area: an object below the least area is neither found
   nor missed. A prediction that reaches the threshold on it is left out, and so is every
   prediction below the least area that is not a true positive. Unlike COCO, and like "difficult"
   boxes in VOC, the best object is chosen among all, ignored ones included, and may excuse
   several predictions.
8. A class without objects to find has no AP and no part in the mean; its predictions count
   nowhere. A class with objects and no predictions has AP 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from streamseg.evaluate.overlap import ImageComparison


def best_objects(
    iou: NDArray[np.float64], class_id: NDArray[np.int64], class_of_object: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The object of its own class that each prediction overlaps best.

    Args:
        iou: [K, M].
        class_id: [K], class of each prediction.
        class_of_object: [M].

    Returns:
        best_iou: [K], 0 where no object of the class is touched.
        best_object: [K], 0..M-1 (the lowest of equals), -1 where no object of the class is touched.
    """
    same_class = class_id[:, None] == class_of_object
    # column 0 stands for "none": argmax takes the first of equals, so it wins unless IoU > 0
    choices = np.zeros((iou.shape[0], iou.shape[1] + 1))
    choices[:, 1:] = np.where(same_class, iou, 0.0)
    return choices.max(axis=1), choices.argmax(axis=1) - 1


@dataclass(frozen=True, eq=False)
class Matches:
    """N predictions of any number of images, each with its best object.

    Thresholds are applied later, by ``judge``.
    """

    class_id: NDArray[np.int64]
    """[N]"""
    score: NDArray[np.float64]
    """[N]"""
    iou: NDArray[np.float64]
    """[N], with the best object."""
    best_object: NDArray[np.int64]
    """[N], a number unique over all images; -1 for none."""
    other_iou: NDArray[np.float64]
    """[N], the highest with an object of another class; used for sorting mistakes only."""
    best_ignored: NDArray[np.bool_]
    """[N], the best object is below the least area."""
    is_small: NDArray[np.bool_]
    """[N], the prediction itself is below the least area."""

    @classmethod
    def joined(cls, parts: Sequence[Matches]) -> Matches:
        """The predictions of several images, at least one, in the order given."""
        return cls(
            *(
                np.concatenate([getattr(part, field.name) for part in parts])
                for field in fields(cls)
            )
        )

    def ranked(self, class_id: int) -> Matches:
        """The predictions of one class by falling score; equal scores keep their order."""
        (rows,) = np.nonzero(self.class_id == class_id)
        return self.rows(rows[np.argsort(-self.score[rows], kind="stable")])

    def rows(self, rows: NDArray[np.intp]) -> Matches:
        """Some of the predictions, in the order given."""
        return Matches(*(getattr(self, field.name)[rows] for field in fields(self)))


def match(compared: ImageComparison, min_area_px: int, objects_before: int) -> Matches:
    """Find the best object of every prediction for one image.

    Args:
        compared: the image.
        min_area_px: objects and predictions with fewer pixels are small.
        objects_before: number of objects in the images before, to number on from.
    """
    overlap = compared.overlap
    iou = overlap.iou
    best_iou, best_object = best_objects(iou, compared.class_id, compared.class_of_object)
    is_other = compared.class_id[:, None] != compared.class_of_object
    is_ignored = overlap.object_px < min_area_px
    return Matches(
        class_id=compared.class_id,
        score=compared.score,
        iou=best_iou,
        best_object=np.where(best_object < 0, -1, best_object + objects_before),
        other_iou=np.where(is_other, iou, 0.0).max(axis=1, initial=0.0),
        best_ignored=np.append(is_ignored, False)[best_object],  # -1 finds the False
        is_small=overlap.mask_px < min_area_px,
    )


def verdicts(ranked: Matches, threshold: float) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Tell true from false positives, and both from what is left out, at one IoU threshold.

    Args:
        ranked: predictions of one class by falling score.
        threshold: IoU to reach, in (0, 1].

    Returns:
        hits: bool [N], true positives.
        left_out: bool [N], predictions that count as neither (rule 7 of the module).
    """
    matched = ranked.iou >= threshold
    (rivals,) = np.nonzero(matched)
    _, first = np.unique(ranked.best_object[rivals], return_index=True)
    hits = np.zeros(len(matched), np.bool_)
    hits[rivals[first]] = True
    hits &= ~(matched & ranked.best_ignored)
    left_out = (matched & ranked.best_ignored) | (~hits & ranked.is_small)
    return hits, left_out


def judge(ranked: Matches, threshold: float) -> NDArray[np.bool_]:
    """Tell true from false positives at one IoU threshold.

    Args:
        ranked: predictions of one class by falling score.
        threshold: IoU to reach, in (0, 1].

    Returns:
        Bool [N' <= N], by falling score: true for a true positive. Predictions that are left out
        have no entry.
    """
    hits, left_out = verdicts(ranked, threshold)
    return hits[~left_out]


def precision_recall(
    hits: NDArray[np.bool_], object_count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The corners of the precision-recall curve, precision made monotonically decreasing.

    Args:
        hits: [N], true or false positive, by falling score.
        object_count: objects that could be found, at least 1.

    Returns:
        recall: one value for each hit, rising.
        precision: the highest at that recall or beyond.
    """
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    falling = np.maximum.accumulate(precision[::-1])[::-1]
    return np.arange(1, np.count_nonzero(hits) + 1) / object_count, falling[hits]


def average_precision(hits: NDArray[np.bool_], object_count: int) -> float:
    """The area under the precision-recall curve, all points.

    Args:
        hits: [N], true or false positive, by falling score.
        object_count: objects that could be found.

    Returns:
        0..1; 0 when nothing was predicted, nan when there was nothing to find.

    Example:
        Two objects, found by the first and the third prediction: precision is 1 up to recall
        1/2 and 2/3 up to recall 1.

        >>> round(average_precision(np.array([True, False, True]), 2), 4)
        0.8333
    """
    if not object_count:
        return float("nan")
    _, precision = precision_recall(hits, object_count)
    # recall rises by 1 / object_count at each hit and nowhere else
    return float(precision.sum() / object_count)

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
4. AP is the whole area under the precision-recall curve, precision made falling ("all points", as
   in VOC 2010 and later), not the eleven points of VOC 2007.

Added to that, because VOC's object maps hold void and street scenes hold specks:

5. Void pixels are ignored: a predicted mask is judged without its void pixels, which enter neither
   intersection nor union. (chainercv counts them as background.)
6. Small objects are ignored, as COCO does by area: an object below the least area is neither found
   nor missed. A prediction that reaches the threshold on it is left out, and so is every
   prediction below the least area that is no true positive. Unlike COCO, and like "difficult"
   objects in VOC, the best object is chosen among all, ignored ones included, and may excuse
   several predictions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from streamseg.datasets import VOID


@dataclass(frozen=True, eq=False)
class Overlap:
    """How K predicted masks lie on the M objects of one image, in pixels that are not void."""

    intersection_px: NDArray[np.int64]
    """[K, M]"""
    mask_px: NDArray[np.int64]
    """[K], area of each prediction outside void."""
    object_px: NDArray[np.int64]
    """[M]"""

    @property
    def iou(self) -> NDArray[np.float64]:
        """Intersection over union [K, M]; 0 where both are empty."""
        union = self.mask_px[:, None] + self.object_px - self.intersection_px
        iou: NDArray[np.float64] = self.intersection_px / np.maximum(union, 1)
        return iou


def count_overlap(
    masks: NDArray[np.bool_], object_map: NDArray[np.uint8], object_count: int
) -> Overlap:
    """Count the pixels that predictions and objects share.

    One histogram of the object map under each mask gives its row of intersections and its area
    at once: time grows with the pixels in the masks, not with the number of objects.

    Args:
        masks: bool [K, H, W], free to overlap.
        object_map: uint8 [H, W]: 0 background, k = 1..M the k-th object, 255 void.
        object_count: M.

    Returns:
        The counts, void left out.
    """
    histograms = np.array(
        [np.bincount(object_map[mask], minlength=VOID + 1) for mask in masks], np.int64
    ).reshape(len(masks), VOID + 1)
    objects = slice(1, object_count + 1)
    return Overlap(
        intersection_px=histograms[:, objects],
        mask_px=histograms[:, :VOID].sum(axis=1),
        object_px=np.bincount(object_map.ravel(), minlength=VOID + 1)[objects].astype(np.int64),
    )


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
    """N predictions, each with its best object: all that is kept of them, of any number of images.

    What a threshold makes of them is decided later, by ``judge``.
    """

    class_id: NDArray[np.int64]
    """[N]"""
    score: NDArray[np.float64]
    """[N]"""
    iou: NDArray[np.float64]
    """[N], with the best object."""
    best_object: NDArray[np.int64]
    """[N], a number unique over all images; -1 for none."""
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
        rows = rows[np.argsort(-self.score[rows], kind="stable")]
        return Matches(*(getattr(self, field.name)[rows] for field in fields(self)))


def judge(ranked: Matches, threshold: float) -> NDArray[np.bool_]:
    """Tell true from false positives at one IoU threshold.

    Args:
        ranked: predictions of one class by falling score.
        threshold: IoU to reach, in (0, 1].

    Returns:
        Bool [N' <= N], by falling score: true for a true positive. Predictions that are left out
        (rule 6 of the module) have no entry.
    """
    matched = ranked.iou >= threshold
    (rivals,) = np.nonzero(matched)
    _, first = np.unique(ranked.best_object[rivals], return_index=True)
    hits = np.zeros(len(matched), np.bool_)
    hits[rivals[first]] = True
    left_out = (matched & ranked.best_ignored) | (~hits & ranked.is_small)
    return hits[~left_out]


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
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    falling = np.maximum.accumulate(precision[::-1])[::-1]
    # recall rises by 1 / object_count at each hit and nowhere else
    return float(falling[hits].sum() / object_count)

"""AP as COCO defines it, so that scores compare with papers that report nothing else.

Matching and averaging are those of pycocotools, the reference; only the IoUs are ours, counted
once for all scores. Void is background here, as in VOC's masks turned into COCO's format, and
there is no least area: COCO's own area ranges stand for it. At most 100 predictions per class and
image count.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from io import StringIO

import numpy as np
from numpy.typing import NDArray
from pycocotools.cocoeval import COCOeval

from streamseg.evaluate.overlap import ImageComparison
from streamseg.evaluate.voc import nullable


@dataclass(frozen=True)
class CocoResult:
    """COCO's twelve numbers, 0..1; nan where there was no object to find.

    Each is a mean over the classes that have objects (of the size in question).
    """

    ap: float
    """Mean over the IoUs 0.5, 0.55, ... 0.95."""
    ap_50: float
    ap_75: float
    ap_small: float
    """Objects below 32² px."""
    ap_medium: float
    ap_large: float
    """Objects above 96² px."""
    ar_1: float
    """Average recall with one prediction per class and image."""
    ar_10: float
    ar_100: float
    ar_small: float
    ar_medium: float
    ar_large: float

    def to_json(self) -> dict[str, float | None]:
        """The result in JSON's own types."""
        return dict(zip(asdict(self), nullable(asdict(self).values()), strict=True))


def coco_ap(images: Sequence[ImageComparison], class_count: int) -> CocoResult:
    """Score predictions as COCO does.

    Evaluates class by class, so that memory holds pycocotools' records of one class only.

    Args:
        images: predictions compared with objects.
        class_count: C.
    """
    precision, recall = [], []
    for class_id in range(1, class_count + 1):
        judge = _ClassEvaluation(images, class_id)
        with redirect_stdout(StringIO()):  # it reports its progress
            judge.evaluate()
            judge.accumulate()
        precision.append(judge.eval["precision"])
        recall.append(judge.eval["recall"])
    # [T, R, C, A, M] and [T, C, A, M]: thresholds, recalls, classes, areas, most predictions
    p, r = np.concatenate(precision, axis=2), np.concatenate(recall, axis=1)
    every, small, medium, large = range(4)
    return CocoResult(
        ap=_mean(p[..., every, 2]),
        ap_50=_mean(p[0, ..., every, 2]),
        ap_75=_mean(p[5, ..., every, 2]),
        ap_small=_mean(p[..., small, 2]),
        ap_medium=_mean(p[..., medium, 2]),
        ap_large=_mean(p[..., large, 2]),
        ar_1=_mean(r[..., every, 0]),
        ar_10=_mean(r[..., every, 1]),
        ar_100=_mean(r[..., every, 2]),
        ar_small=_mean(r[..., small, 2]),
        ar_medium=_mean(r[..., medium, 2]),
        ar_large=_mean(r[..., large, 2]),
    )


def _mean(values: NDArray[np.float64]) -> float:
    """Average, without the -1 that COCO sets where there are no objects."""
    valid = values[values > -1]
    return float(valid.mean()) if valid.size else float("nan")


class _ClassEvaluation(COCOeval):  # type: ignore[misc]  # pycocotools has no types
    """COCO's evaluation of one class, from pixel counts instead of masks."""

    def __init__(self, images: Sequence[ImageComparison], class_id: int) -> None:
        super().__init__(iouType="segm")
        self._images = images
        self._class_id = class_id
        self.params.catIds = [class_id]
        self.params.imgIds = [
            i
            for i, image in enumerate(images)
            if class_id in image.class_id or class_id in image.class_of_object
        ]

    def _prepare(self) -> None:
        """List objects and predictions by image; ids count from 1, as 0 means "unmatched"."""
        self._gts, self._dts = defaultdict(list), defaultdict(list)
        next_id = 1
        for i in self.params.imgIds:
            image = self._images[i]
            for m in np.flatnonzero(image.class_of_object == self._class_id):
                area = int(image.overlap.object_px[m])
                self._gts[i, self._class_id].append(
                    {"id": next_id, "area": area, "ignore": 0, "iscrowd": 0}
                )
                next_id += 1
            area_px = image.overlap.mask_px + image.overlap.void_px
            for k in np.flatnonzero(image.class_id == self._class_id):
                self._dts[i, self._class_id].append(
                    {"id": next_id, "area": int(area_px[k]), "score": image.score[k]}
                )
                next_id += 1

    def computeIoU(self, imgId: int, catId: int) -> NDArray[np.float64]:
        """Return the IoU [K, M], rows by falling score."""
        image = self._images[imgId]
        rows = np.flatnonzero(image.class_id == catId)
        rows = rows[np.argsort(-image.score[rows], kind="stable")][: self.params.maxDets[-1]]
        iou = image.overlap.iou_with_void[rows]
        return iou[:, image.class_of_object == catId]

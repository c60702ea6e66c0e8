"""The images on which a model does best and worst, drawn small; all others are discarded."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from streamseg.datasets import VOID, Sample
from streamseg.drawing.contact_sheet import contact_sheet
from streamseg.drawing.overlay import draw
from streamseg.evaluate.matching import average_precision, judge, match
from streamseg.evaluate.overlap import ImageComparison
from streamseg.evaluate.voc import VOLUME_THRESHOLDS
from streamseg.frame import Image, frame_of_array
from streamseg.results import FrameResult, Instance

DRAWN_SCORE: Final = 0.3
"""Predictions of lower score are not drawn."""
_WIDTH_PX = 300
_NEW_PART = 0.5


@dataclass(frozen=True, order=True)
class Exhibit:
    """One image of the gallery."""

    rank: float
    """Larger ones stay."""
    image_id: str
    quality: float = field(compare=False)
    """As ``image_quality`` tells it."""
    jpeg: bytes = field(compare=False, repr=False)
    """Truth on the left, predictions on the right."""


class Gallery:
    """Keeps the drawings of a few images out of any number."""

    def __init__(self, class_names: Sequence[str], size: int = 6) -> None:
        """Start empty.

        Args:
            class_names: of the data.
            size: number of best and of worst images.
        """
        self._class_names = class_names
        self._size = size
        self._best: list[Exhibit] = []
        self._worst: list[Exhibit] = []

    def offer(
        self, quality: float, sample: Sample, masks: NDArray[np.bool_], compared: ImageComparison
    ) -> None:
        """Show an image, if it is better or worse than those shown.

        Args:
            quality: of the predictions; nan keeps the image out.
            sample: the image and its objects.
            masks: bool [K, H, W], the predictions.
            compared: their classes and scores.
        """
        if np.isnan(quality):
            return
        jpeg = None
        for heap, rank in ((self._best, quality), (self._worst, -quality)):
            if len(heap) < self._size or rank > heap[0].rank:
                jpeg = jpeg or _jpeg(side_by_side(sample, masks, compared, self._class_names))
                heapq.heappush(heap, Exhibit(rank, sample.id, quality, jpeg))
                if len(heap) > self._size:
                    heapq.heappop(heap)

    def best(self) -> list[Exhibit]:
        """The best images, best first."""
        return sorted(self._best, reverse=True)

    def worst(self) -> list[Exhibit]:
        """The worst images, worst first, without those that are among the best too."""
        best = {exhibit.image_id for exhibit in self._best}
        return [e for e in sorted(self._worst, reverse=True) if e.image_id not in best]


def image_quality(compared: ImageComparison, min_area_px: int) -> float:
    """How good the predictions for one image are: AP over its objects of all classes together.

    Args:
        compared: the image.
        min_area_px: objects with fewer pixels are ignored.

    Returns:
        The mean over ``VOLUME_THRESHOLDS``, 0..1; nan without objects.
    """
    matches = match(compared, min_area_px, 0)
    ranked = matches.rows(np.argsort(-matches.score, kind="stable"))
    objects = int((compared.overlap.object_px >= min_area_px).sum())
    return float(
        np.mean([average_precision(judge(ranked, at), objects) for at in VOLUME_THRESHOLDS])
    )


def side_by_side(
    sample: Sample, masks: NDArray[np.bool_], compared: ImageComparison, class_names: Sequence[str]
) -> Image:
    """Draw the truth of an image on the left, its predictions on the right.

    Args:
        sample: the image and its objects.
        masks: bool [K, H, W], the predictions.
        compared: their classes and scores.
        class_names: C names.

    Returns:
        RGB uint8, each half 300 px wide.
    """
    height, width = sample.object_map.shape
    size = (_WIDTH_PX, max(1, round(_WIDTH_PX * height / width)))
    image = np.asarray(PillowImage.fromarray(sample.image).resize(size))
    objects = np.where(sample.object_map == VOID, 0, sample.object_map).astype(np.uint16)
    shown = _highest_scoring(masks, compared.score)
    predictions = np.zeros((height, width), np.uint16)
    for label, k in reversed(list(enumerate(shown, start=1))):
        predictions[masks[k]] = label
    return contact_sheet(
        [
            draw(
                _result(image, objects, sample.class_of_object, np.ones(len(sample)), class_names)
            ),
            draw(
                _result(
                    image,
                    predictions,
                    compared.class_id[shown],
                    compared.score[shown],
                    class_names,
                )
            ),
        ],
        columns=2,
    )


def _highest_scoring(masks: NDArray[np.bool_], score: NDArray[np.float64]) -> list[int]:
    """The predictions to draw, highest score first.

    Those that others of higher score mostly cover are left out.
    """
    taken = np.zeros(masks.shape[1:], np.bool_)
    kept = []
    for k in np.argsort(-score, kind="stable").tolist():
        new = np.count_nonzero(masks[k] & ~taken)
        if score[k] >= DRAWN_SCORE and new > _NEW_PART * np.count_nonzero(masks[k]):
            kept.append(k)
            taken |= masks[k]
    return kept


def _result(
    image: Image,
    label_map: NDArray[np.uint16],
    class_id: NDArray[np.int64],
    score: NDArray[np.float64],
    class_names: Sequence[str],
) -> FrameResult:
    """Labels, at any size, as instances over the image."""
    height, width = image.shape[:2]
    rows = np.arange(height) * label_map.shape[0] // height
    columns = np.arange(width) * label_map.shape[1] // width
    small = label_map[rows][:, columns]
    instances = []
    for label, (c, sure) in enumerate(zip(class_id.tolist(), score.tolist(), strict=True), start=1):
        y, x = np.nonzero(small == label)
        if not len(y):
            continue
        name = class_names[c - 1]
        instances.append(
            Instance(
                name=f"{name}-{label}",
                class_name=name,
                class_id=c,
                track_id=label,
                is_confirmed=True,
                score=sure,
                box=(int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1),
                area_px=len(y),
                seed_yx=(int(y[0]), int(x[0])),
                tau=0.5,
                embedding=np.zeros(0, np.float32),
                label=label,
                label_map=small,
            )
        )
    # draw takes the k-th instance's colour for label k
    renumbered = np.zeros(len(class_id) + 1, np.uint16)
    for k, instance in enumerate(instances, start=1):
        renumbered[instance.label] = k
    return FrameResult(
        frame=frame_of_array(image),
        label_map=renumbered[small],
        instances=tuple(instances),
        dropped=0,
        timings_ms={},
    )


def _jpeg(image: Image) -> bytes:
    buffer = BytesIO()
    PillowImage.fromarray(image).save(buffer, "JPEG", quality=80)
    return buffer.getvalue()

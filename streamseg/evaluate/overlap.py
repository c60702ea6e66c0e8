"""Overlap of predicted masks and objects of an image: the only step that reads pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamseg.datasets import VOID, ObjectMaps
from streamseg.errors import InputError


@dataclass(frozen=True, eq=False)
class Overlap:
    """Overlap of K predicted masks and the M objects of one image, in pixels."""

    intersection_px: NDArray[np.int64]
    """[K, M]"""
    mask_px: NDArray[np.int64]
    """[K], area of each prediction outside void."""
    void_px: NDArray[np.int64]
    """[K], its pixels in void."""
    object_px: NDArray[np.int64]
    """[M]"""

    @property
    def iou(self) -> NDArray[np.float64]:
        """Intersection over union [K, M] outside void; 0 where both are empty."""
        return self._iou(self.mask_px)

    @property
    def iou_with_void(self) -> NDArray[np.float64]:
        """The same [K, M] with void as background, as COCO's tools see images of VOC."""
        return self._iou(self.mask_px + self.void_px)

    def _iou(self, mask_px: NDArray[np.int64]) -> NDArray[np.float64]:
        union = mask_px[:, None] + self.object_px - self.intersection_px
        iou: NDArray[np.float64] = self.intersection_px / np.maximum(union, 1)
        return iou


@dataclass(frozen=True, eq=False, kw_only=True)
class ImageComparison:
    """The predictions for one image and its objects, the input of every score.

    Holds no pixels: about 6 kB for 100 predictions and two objects.
    """

    image_id: str
    class_id: NDArray[np.int64]
    """[K], 1..C, C the number of the data's classes."""
    score: NDArray[np.float64]
    """[K]"""
    pick: NDArray[np.int64]
    """[K], 0..K-1: the order in which they were proposed."""
    class_of_object: NDArray[np.int64]
    """[M], 1..C"""
    overlap: Overlap

    def first(self, count: int) -> ImageComparison:
        """The same image with only the first ``count`` proposals."""
        rows = self.pick < count
        return ImageComparison(
            image_id=self.image_id,
            class_id=self.class_id[rows],
            score=self.score[rows],
            pick=self.pick[rows],
            class_of_object=self.class_of_object,
            overlap=Overlap(
                intersection_px=self.overlap.intersection_px[rows],
                mask_px=self.overlap.mask_px[rows],
                void_px=self.overlap.void_px[rows],
                object_px=self.overlap.object_px,
            ),
        )


def compare(
    image_id: str,
    masks: NDArray[np.bool_],
    class_id: NDArray[np.integer[Any]],
    score: NDArray[np.floating[Any]],
    sample: ObjectMaps,
    pick: NDArray[np.integer[Any]] | None = None,
) -> ImageComparison:
    """Compare the predictions for one image with its objects.

    Args:
        image_id: the image that was predicted on: that of ``sample``.
        masks: bool [K, H, W] at the size of the object map, free to overlap.
        class_id: int [K], 1..C.
        score: float [K], finite; only the order matters.
        sample: the ground truth.
        pick: int [K], 0..K-1, the order in which they were proposed; by falling score if None.

    Raises:
        InputError: shapes, types or ranges are not these.
    """
    if image_id != sample.id:
        raise InputError(f"predictions for {image_id!r} came with the objects of {sample.id!r}")
    _check_predictions(masks, class_id, score, sample)
    if pick is None:
        pick = np.empty(len(score), np.int64)
        pick[np.argsort(-score, kind="stable")] = np.arange(len(score))
    elif not np.array_equal(np.sort(pick), np.arange(len(score))):
        raise InputError(f"pick of {image_id!r} must be an order of {len(score)} predictions")
    return ImageComparison(
        image_id=image_id,
        class_id=class_id.astype(np.int64),
        score=score.astype(np.float64),
        pick=pick.astype(np.int64),
        class_of_object=sample.class_of_object,
        overlap=count_overlap(masks, sample.object_map, len(sample)),
    )


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
        The counts, void apart.
    """
    histograms = np.array(
        [np.bincount(object_map[mask], minlength=VOID + 1) for mask in masks], np.int64
    ).reshape(len(masks), VOID + 1)
    objects = slice(1, object_count + 1)
    return Overlap(
        # copies: a view would keep the whole histograms alive
        intersection_px=histograms[:, objects].copy(),
        mask_px=histograms[:, :VOID].sum(axis=1),
        void_px=histograms[:, VOID].copy(),
        object_px=np.bincount(object_map.ravel(), minlength=VOID + 1)[objects].astype(np.int64),
    )


def _check_predictions(
    masks: NDArray[Any], class_id: NDArray[Any], score: NDArray[Any], sample: ObjectMaps
) -> None:
    """Refuse arrays that numpy would broadcast or sort silently."""
    if masks.dtype != np.bool_ or masks.shape[1:] != sample.object_map.shape:
        height, width = sample.object_map.shape
        raise InputError(
            f"masks of {sample.id!r} must be bool [K, {height}, {width}], "
            f"got {masks.dtype} {list(masks.shape)}"
        )
    count = (len(masks),)
    if class_id.shape != count or class_id.dtype.kind not in "iu":
        raise InputError(
            f"class_id of {sample.id!r} must be int [{count[0]}], "
            f"got {class_id.dtype} {list(class_id.shape)}"
        )
    if (class_id < 1).any():
        raise InputError(f"class_id of {sample.id!r} must be 1 or more, got {class_id.min()}")
    if score.shape != count or not np.isfinite(score).all():
        raise InputError(
            f"score of {sample.id!r} must be [{count[0]}] finite numbers, got {list(score.shape)}"
        )

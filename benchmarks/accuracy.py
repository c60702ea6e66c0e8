"""Compare the accuracy of two backends, on images with known objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from streamseg.datasets import InstanceDataset
from streamseg.evaluate.predictions import LEAST_SCORE, compare_instances
from streamseg.evaluate.voc import VOLUME_THRESHOLDS, VocEvaluator, VocResult
from streamseg.grouping.cpu import GroupingConfig
from streamseg.runtime.base import Runtime
from streamseg.segmenter import Segmenter


@dataclass(frozen=True, eq=False)
class AccuracyChange:
    """Scores before and after.

    mAP^r changes in steps if a class has few objects: on 100 images of VOC's 20 classes a single
    detection changes it by points.
    """

    reference: VocResult
    candidate: VocResult

    @property
    def points(self) -> float:
        """Change of mAP^r at an IoU of 0.5, in points of 100; below 0 for a loss."""
        at = self.reference.thresholds.index(0.5)
        return float(100 * (self.candidate.map_r - self.reference.map_r)[at])

    @property
    def volume_points(self) -> float:
        """Change of AP^r_vol, the mean over nine IoUs, which changes more smoothly."""
        return 100 * (self.candidate.map_vol - self.reference.map_vol)


def accuracy_change(
    reference: Runtime,
    candidate: Runtime,
    data: InstanceDataset,
    ids: Sequence[str],
    *,
    size: tuple[int, int] | None = None,
) -> AccuracyChange:
    """Score the disjoint instances of both, as ``streamseg eval`` does.

    Args:
        reference: the backend to compare with.
        candidate: the backend to check.
        data: images with objects.
        ids: of the images to score on.
        size: width and height of the network's input; needed if one of the two has a fixed size.

    Raises:
        InputError: there are no images, or one of the two does not take their size.
        DataError: an image or its objects cannot be read.
    """
    return AccuracyChange(
        *(score(runtime, data, ids, size=size) for runtime in (reference, candidate))
    )


def score(
    runtime: Runtime,
    data: InstanceDataset,
    ids: Sequence[str],
    *,
    size: tuple[int, int] | None = None,
) -> VocResult:
    """One half of ``accuracy_change``, for a reference that is compared with several files."""
    segmenter = Segmenter(runtime, size=size, grouping=GroupingConfig(min_score=LEAST_SCORE))
    evaluator = VocEvaluator(data.class_names, VOLUME_THRESHOLDS)
    for image_id in ids:
        _, compared = compare_instances(segmenter, data.load(image_id), data.class_names)
        evaluator.take(compared)
    return evaluator.result()

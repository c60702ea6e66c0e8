"""Compare the accuracy of two backends, on images with known objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from streamseg.datasets import InstanceDataset
from streamseg.evaluate.predictions import LEAST_SCORE, score_instances
from streamseg.evaluate.voc import VocResult
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
        """Change of mAP^r_vol, the mean over nine IoUs, which changes more smoothly."""
        return 100 * (self.candidate.map_vol - self.reference.map_vol)


def score(
    runtime: Runtime,
    data: InstanceDataset,
    ids: Sequence[str],
    *,
    size: tuple[int, int] | None = None,
) -> VocResult:
    """Score the disjoint instances of a backend, in AP^r."""
    segmenter = Segmenter(runtime, size=size, grouping=GroupingConfig(min_score=LEAST_SCORE))
    return score_instances(segmenter, data, ids)

"""A model's predictions for an image, compared with its objects."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamseg.datasets import Sample
from streamseg.evaluate.overlap import Compared, compare
from streamseg.results import Proposals
from streamseg.segmenter import Segmenter

LEAST_SCORE: Final = 0.05
"""Of the instances that are scored; low enough that the precision-recall curve has its tail."""


def compare_instances(segmenter: Segmenter, sample: Sample) -> tuple[NDArray[np.bool_], Compared]:
    """Predict disjoint instances as a stream does, and compare them with the objects.

    Args:
        segmenter: the model.
        sample: the image and its objects.

    Returns:
        Masks [K, H, W], and their comparison with the objects.
    """
    found = segmenter(sample.image).instances
    masks = np.array([i.mask for i in found], np.bool_).reshape(-1, *sample.object_map.shape)
    classes = np.array([i.class_id for i in found], np.int64)
    scores = np.array([i.score for i in found], np.float32)
    return masks, compare(sample.id, masks, classes, scores, sample)


def compare_proposals(proposals: Proposals, sample: Sample) -> Compared:
    """Compare the overlapping proposals of the paper's setting with the objects."""
    p = proposals
    return compare(sample.id, p.masks, p.class_id, p.score, sample, p.pick)

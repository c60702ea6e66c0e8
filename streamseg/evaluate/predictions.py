"""A model's predictions for an image, compared with its objects."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamseg.classes import plain_name
from streamseg.datasets import InstanceDataset, Sample
from streamseg.datasets.class_names import ids_by_name
from streamseg.evaluate.overlap import ImageComparison, compare
from streamseg.evaluate.voc import VOLUME_THRESHOLDS, VocEvaluator, VocResult
from streamseg.results import Proposals
from streamseg.segmenter import Segmenter

LEAST_SCORE: Final = 0.05
"""Of the instances that are scored; low enough that the precision-recall curve has its tail."""


def data_classes(model_names: Sequence[str], class_names: Sequence[str]) -> NDArray[np.int64]:
    """The classes of the data that those of a model are, by name.

    Args:
        model_names: of the model, K names.
        class_names: of the data, C names.

    Returns:
        [K + 1], 1..C, 0 where the data lack the class; 0 at 0.
    """
    ids = ids_by_name(class_names)
    return np.array([0, *(ids.get(plain_name(name), 0) for name in model_names)], np.int64)


def compare_instances(
    segmenter: Segmenter, sample: Sample, class_names: Sequence[str]
) -> tuple[NDArray[np.bool_], ImageComparison]:
    """Predict disjoint instances as a stream does, and compare them with the objects.

    Args:
        segmenter: the model; what it finds of classes that the data lack is left out.
        sample: the image and its objects.
        class_names: of the data.

    Returns:
        Masks [K, H, W], and their comparison with the objects.
    """
    class_of = data_classes(segmenter.config.class_names, class_names)
    found = [i for i in segmenter(sample.image).instances if class_of[i.class_id]]
    masks = np.array([i.mask for i in found], np.bool_).reshape(-1, *sample.object_map.shape)
    classes = np.array([class_of[i.class_id] for i in found], np.int64)
    scores = np.array([i.score for i in found], np.float32)
    return masks, compare(sample.id, masks, classes, scores, sample)


def score_instances(
    segmenter: Segmenter, data: InstanceDataset, ids: Iterable[str], min_area_px: int = 0
) -> VocResult:
    """Score the disjoint instances of a model by AP^r at ``VOLUME_THRESHOLDS``.

    Args:
        segmenter: the model; what it finds of classes that the data lack is left out.
        data: the images and their objects.
        ids: of the images to score.
        min_area_px: smaller objects are left out.

    Raises:
        DataError: an image cannot be read.
    """
    evaluator = VocEvaluator(data.class_names, VOLUME_THRESHOLDS, min_area_px)
    for image_id in ids:
        evaluator.add(compare_instances(segmenter, data.load(image_id), data.class_names)[1])
    return evaluator.result()


def compare_proposals(
    proposals: Proposals, sample: Sample, class_of: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], ImageComparison]:
    """Compare the overlapping proposals of the paper's setting with the objects.

    Args:
        proposals: of a model; those of classes that the data lack are left out.
        sample: the image and its objects.
        class_of: from ``data_classes``.

    Returns:
        Masks [K, H, W], and their comparison with the objects.
    """
    p = proposals
    kept = class_of[p.class_id] > 0
    pick = p.pick[kept].argsort().argsort()
    masks = p.masks[kept]
    return masks, compare(sample.id, masks, class_of[p.class_id[kept]], p.score[kept], sample, pick)

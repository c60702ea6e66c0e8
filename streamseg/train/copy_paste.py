"""Copy-paste augmentation: paste objects of one training image into another.

Ghiasi et al. 2021, arXiv 2012.07177. The network sees objects on unusual backgrounds, and objects
that occlude others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamseg.datasets import VOID
from streamseg.train.augment import Crop

_PASTE_PROBABILITY = 0.5
"""Of each object of the upper image."""


@dataclass(frozen=True, eq=False)
class LabelledCrop:
    """A training image and the classes of its objects."""

    crop: Crop
    class_of_object: NDArray[np.int64]
    """[M]: the class of label k of the crop's object map is at k-1."""


def paste(below: LabelledCrop, above: LabelledCrop, chances: NDArray[np.float64]) -> LabelledCrop:
    """Paste each object of one crop over another with probability 1/2.

    Args:
        below: [S, S], keeps its labels and background.
        above: of the same size; its label k becomes M + k, M the number of objects of ``below``.
        chances: float64 [254], random numbers in 0..1; object k is pasted if number k - 1 is below
            1/2.

    Returns:
        The combined crop with the classes of both. Objects of ``above`` that are not pasted have a
        class, but no pixels. If a label would reach ``VOID``, it is ``below`` itself.
    """
    first = len(below.class_of_object)
    count = len(above.class_of_object)
    if first + count >= VOID:
        return below
    label_of = np.zeros(256, np.uint8)
    chosen = np.flatnonzero(chances[:count] < _PASTE_PROBABILITY)
    label_of[chosen + 1] = first + chosen + 1
    labels = label_of[above.crop.object_map]
    pasted = labels > 0
    return LabelledCrop(
        Crop(
            np.where(pasted[..., None], above.crop.image, below.crop.image),
            np.where(pasted, labels, below.crop.object_map),
            below.crop.centre_xy,
        ),
        np.concatenate([below.class_of_object, above.class_of_object]),
    )

"""Copy-paste: objects of one training image in another (Ghiasi et al. 2021, arXiv 2012.07177).

Objects are then seen in front of unusual backgrounds, and hide others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamseg.datasets import VOID
from streamseg.train.augment import Crop

# Of the objects of a crop, those that are pasted on average.
_SHARE = 0.5


@dataclass(frozen=True, eq=False)
class LabelledCrop:
    """A training image and the classes of its objects."""

    crop: Crop
    class_of_object: NDArray[np.int64]
    """[M]: the class of label k of the crop's object map is at k-1."""


def paste(below: LabelledCrop, above: LabelledCrop, chances: NDArray[np.float64]) -> LabelledCrop:
    """Paste about half of the objects of one crop over another of the same size.

    Args:
        below: it keeps its labels and background.
        above: its objects become the labels after those of ``below``. They are left out if a label
            would reach ``VOID``.
        chances: [254], random numbers in 0..1; object k is pasted if the k-th is below one half.
    """
    first = len(below.class_of_object)
    count = len(above.class_of_object)
    if first + count >= VOID:
        return below
    label_of = np.zeros(256, np.uint8)
    chosen = np.flatnonzero(chances[:count] < _SHARE)
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

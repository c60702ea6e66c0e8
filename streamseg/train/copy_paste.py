"""Copy-paste augmentation: objects of one training picture pasted into another.

Ghiasi et al. 2021, "Simple Copy-Paste is a Strong Data Augmentation Method for Instance
Segmentation".
"""

from __future__ import annotations

import math

import numpy as np
from PIL import Image as PillowImage
from scipy import ndimage

from streamseg.datasets import VOID, Sample

SIZES = (0.5, 1.5)
"""Range of a pasted picture's size, of the size at which it would cover the other one."""
RIM_PX = 5
"""Void pixels this near to an object are its rim, as VOC draws them."""


def paste_objects(onto: Sample, source: Sample, rng: np.random.Generator) -> Sample:
    """Paste some objects of a picture over another, scaled, flipped and moved.

    The rim of a pasted object comes along and stays void. What lies below is covered; an object
    that is covered whole has no pixels left, but keeps its number.

    Args:
        onto: the picture to paste over; stays as it is.
        source: the picture with the objects, each of which comes along with probability 1/2, and
            one of them in any case. Without any object the result is ``onto``.
        rng: source of chance.

    Returns:
        The picture with objects 1..M of ``onto`` and, after them, the pasted ones.
    """
    free = VOID - 1 - len(onto)
    if not len(source) or free < 1:
        return onto
    chosen = rng.random(len(source)) < 0.5
    chosen[rng.integers(len(source))] = True
    objects = np.flatnonzero(chosen)[:free]

    new_label = np.zeros(256, np.uint8)
    new_label[objects + 1] = len(onto) + 1 + np.arange(len(objects))
    labels = new_label[source.object_map]
    near = ndimage.binary_dilation(labels > 0, iterations=RIM_PX)
    labels[near & (source.object_map == VOID)] = VOID

    height, width = onto.object_map.shape
    source_height, source_width = labels.shape
    cover = max(height / source_height, width / source_width)
    scale = cover * math.exp(rng.uniform(*np.log(SIZES)))
    flip = rng.choice((-1.0, 1.0))
    rows, columns = np.nonzero(labels)
    # the middle of what is pasted goes to a random place of the picture
    middle = (columns.mean(), rows.mean())
    place = rng.random(2) * (width, height)
    # from a pixel of the result to that of the source
    step_x, step_y = flip / scale, 1 / scale
    affine = (
        step_x,
        0.0,
        middle[0] - step_x * place[0],
        0.0,
        step_y,
        middle[1] - step_y * place[1],
    )
    size, method = (width, height), PillowImage.Transform.AFFINE
    moved = np.asarray(PillowImage.fromarray(labels).transform(size, method, affine))
    picture = PillowImage.fromarray(source.image).transform(
        size, method, affine, PillowImage.Resampling.BILINEAR
    )
    pasted = moved > 0
    return Sample(
        id=onto.id,
        object_map=np.where(pasted, moved, onto.object_map),
        class_of_object=np.concatenate([onto.class_of_object, source.class_of_object[objects]]),
        image=np.where(pasted[..., None], np.asarray(picture), onto.image),
    )

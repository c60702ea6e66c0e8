"""Affinities between the tracks and the segments of a frame.

Three cues, each between 0 and 1, are added up:

- mask: IoU of the segment and the track's last mask, moved by the predicted motion.
- box: overlap with the track's box, moved in the same way; both are widened by a margin that grows
  with uncertainty, so that the boxes of a small fast object still overlap.
- embedding: the method's similarity of the mean embeddings, with a wider spread:
  2 / (1 + exp(d²/16)). It drifts as an object moves or is partly occluded; a matching position then
  replaces it.

A segment of a class that is rare among the track's votes needs a higher sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamseg.tracking.motion import Floats, Motion

Labels = NDArray[np.int64]

# Weight of the mask cue; the other cues have weight 1.
_MASK_WEIGHT = 1.5
# The least sum of the three cues for a match: for a segment of the track's class, and for one of a
# class without votes, which is then taken for an error of the classifier.
_MIN_AFFINITY = 0.65
_MIN_AFFINITY_OTHER_CLASS = 2.4
# Least box and embedding cues of a match, unless the track was in the frame before and its mask cue
# reaches ``_SAME_PLACE``: appearance alone never moves a name across the image, and neither does
# position alone.
_SAME_PLACE = 0.4
_MIN_BOX = 0.03
_MIN_SIMILARITY = 0.5
# Squared distances are divided by this: an object is further from its own embedding of earlier
# frames than its pixels are from each other.
_SPREAD = 16.0
# The least margin of a box, relative to the frame.
_LEAST_MARGIN = 0.04
# For a missing object: least share of a segment's box within the object's reach.
_MIN_WITHIN_REACH = 0.7
# Least votes of the new class, relative to those of the track's class.
_MIN_CLASS_SHARE = 0.1


@dataclass(frozen=True)
class Cues:
    """The cues in use; turn some off for ablations."""

    embedding: bool = True
    motion: bool = True
    same_class: bool = True
    reidentification: bool = True


@dataclass(frozen=True, eq=False)
class View:
    """The segments of a frame, as input of the association."""

    labels: Labels
    """[h, w], the label map on the sampling grid."""
    area: Labels
    """[M], samples of each segment; 0 for a segment that lies between samples."""
    boxes: Floats
    """[M, 2, 2], relative to the frame's size."""
    embeddings: Floats
    """[M, D]"""
    class_id: Labels
    """[M]"""


@dataclass(frozen=True, eq=False)
class TrackMask:
    """The mask of a track when it was last seen."""

    mask: NDArray[np.bool_]
    """Cropped to its box, on the sampling grid."""
    origin: tuple[int, int]
    """y, x of its corner on the grid."""
    grid: tuple[int, int]
    """The grid's height and width."""

    @classmethod
    def of(cls, view: View, k: int) -> TrackMask:
        """Crop the mask of segment k of a view."""
        height, width = view.labels.shape
        scale = np.array([width, height])
        x0, y0 = np.maximum(np.floor(view.boxes[k, 0] * scale).astype(int) - 1, 0).tolist()
        x1, y1 = (np.ceil(view.boxes[k, 1] * scale).astype(int) + 1).tolist()
        return cls(view.labels[y0:y1, x0:x1] == k + 1, (y0, x0), (height, width))

    def samples_by_label(self, labels: Labels, shift: Floats, count: int) -> Labels:
        """Count its samples on each label 0..count-1, after moving it by a shift.

        Samples outside the frame are not counted.
        """
        if labels.shape != self.grid:
            return np.zeros(count, np.int64)
        height, width = self.grid
        y = self.origin[0] + round(float(shift[1]) * height)
        x = self.origin[1] + round(float(shift[0]) * width)
        mask = self.mask[max(-y, 0) : max(height - y, 0), max(-x, 0) : max(width - x, 0)]
        under = labels[max(y, 0) :, max(x, 0) :][: mask.shape[0], : mask.shape[1]]
        return np.bincount(under[mask], minlength=count)


def affinity(
    motions: Sequence[Motion],
    masks: Sequence[TrackMask],
    embeddings: Floats,
    votes: Floats,
    missing: NDArray[np.bool_],
    view: View,
    cues: Cues,
) -> Floats:
    """Sum the cues for T tracks times M segments; 0 where a match is impossible.

    Args:
        motions: of the tracks.
        masks: of the tracks.
        embeddings: [T, D] of the tracks.
        votes: [T, C+1], sums of scores by class.
        missing: [T], tracks that were not seen in the frame before.
        view: the segments.
        cues: the cues in use.
    """
    mask = _mask_cue(motions, masks, view)
    box = _box_overlap(
        np.stack([motion.predicted_box() for motion in motions]),
        view.boxes,
        np.array([motion.margin() for motion in motions]),
    )
    likeness = place = np.maximum(mask, box)  # so that thresholds mean the same without embeddings
    possible = box >= _MIN_BOX
    if cues.embedding:
        alike = similarity(embeddings, view.embeddings)
        likeness = np.maximum(alike, place)
        possible &= alike >= _MIN_SIMILARITY
    total = _MASK_WEIGHT * mask + box + likeness
    unlikeliness = 1 - _class_share(votes, view) if cues.same_class else 0.0
    needed = _MIN_AFFINITY + (_MIN_AFFINITY_OTHER_CLASS - _MIN_AFFINITY) * unlikeliness
    possible |= (mask >= _SAME_PLACE) & ~missing[:, None]
    return np.where(possible & (total >= needed), total, 0.0)


def reidentification_affinity(
    motions: Sequence[Motion], embeddings: Floats, votes: Floats, view: View, cues: Cues
) -> Floats:
    """Affinities of missing tracks and segments, [T, M]; 0 where a match is impossible.

    Position is uncertain after some time: a segment must look like the missing object, have its
    class and be within its reach.

    Args:
        motions: of the tracks.
        embeddings: [T, D] of the tracks.
        votes: [T, C+1], sums of scores by class.
        view: the segments.
        cues: the cues in use.
    """
    reach = np.stack([motion.reach() for motion in motions])
    low = np.maximum(reach[:, None, 0], view.boxes[None, :, 0])
    high = np.minimum(reach[:, None, 1], view.boxes[None, :, 1])
    own = (view.boxes[:, 1] - view.boxes[:, 0]).prod(axis=-1)
    within = np.maximum(high - low, 0).prod(axis=-1) / np.maximum(own, 1e-12)
    likeness = similarity(embeddings, view.embeddings) if cues.embedding else np.ones_like(within)
    possible = (within >= _MIN_WITHIN_REACH) & (likeness >= _MIN_SIMILARITY)
    share = _class_share(votes, view) if cues.same_class else np.ones_like(within)
    possible &= share >= _MIN_CLASS_SHARE
    return np.where(possible, within + likeness + share, 0.0)


def similarity(a: Floats, b: Floats) -> Floats:
    """Similarity [T, M], 0..1, of embeddings a [T, D] and b [M, D]: (1) with wider spread."""
    squared = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1) - 2 * a @ b.T
    # Clipped far above all distances that matter, so that exp does not overflow.
    alike: Floats = 2 / (1 + np.exp(np.clip(squared / _SPREAD, 0, 50)))
    return alike


def _class_share(votes: Floats, view: View) -> Floats:
    """Votes of each track for each segment's class, relative to its top class: [T, M], 0..1."""
    share: Floats = votes[:, view.class_id] / votes.max(axis=1)[:, None]
    return share


def _mask_cue(motions: Sequence[Motion], masks: Sequence[TrackMask], view: View) -> Floats:
    """IoU [T, M] after motion compensation."""
    count = len(view.area) + 1
    joint = np.stack(
        [
            mask.samples_by_label(view.labels, motion.predicted_shift(), count)
            for motion, mask in zip(motions, masks, strict=True)
        ]
    )
    both = joint[:, 1:]
    area = joint.sum(axis=1)[:, None]
    iou: Floats = both / np.maximum(area + view.area - both, 1)
    return iou


def _box_overlap(a: Floats, b: Floats, margin: Floats) -> Floats:
    """Overlap [T, M] of boxes a [T, 2, 2] and b [M, 2, 2], both widened by a's margins [T].

    Margins are relative to the size of each box, with a minimum, because the box of a sliver is a
    poor estimate of the object's position. The overlap is the shared area over the geometric mean
    of both areas: 0 if disjoint, 1 if equal, and higher than IoU for half-covered objects.
    """
    pair = np.stack(np.broadcast_arrays(a[:, None], b))  # [2, T, M, 2, 2]
    low, high = pair[..., 0, :], pair[..., 1, :]
    widening = np.maximum(margin[:, None, None] * (high - low), _LEAST_MARGIN)
    low, high = low - widening, high + widening
    shared = np.maximum(high.min(axis=0) - low.max(axis=0), 0).prod(axis=-1)
    overlap: Floats = shared / np.sqrt((high - low).prod(axis=-1).prod(axis=0))
    return overlap

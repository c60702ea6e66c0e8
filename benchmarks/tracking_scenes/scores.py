"""HOTA, IDF1 and sMOTSA of masks over time, as the papers define them and trackeval computes them.

- HOTA (Luiten et al. 2021): geometric mean of detection and association accuracy, averaged over
  the IoU thresholds 0.05, 0.1, ... 0.95.
- IDF1 (Ristani et al. 2016): share of detections under the one identity that fits each track best,
  at IoU 0.5.
- sMOTSA (Voigtlaender et al. 2019): sum of the IoUs of matches, less false masks and changes of
  identity, by the number of true masks; at IoU 0.5.

Classes play no part: an object is found when its mask is, whatever it is taken for. Clips are
scored one by one; their counts are added up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamseg.errors import InputError

Floats = NDArray[np.float64]

HOTA_THRESHOLDS: Final = np.arange(0.05, 0.99, 0.05)
_THRESHOLD: Final = 0.5
# As trackeval, so that an IoU of exactly the threshold counts.
_EPSILON: Final = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class FrameOverlap:
    """How the masks of one frame lie on the true ones."""

    truth: NDArray[np.int64]
    """[G]: the true tracks seen in the frame."""
    found: NDArray[np.int64]
    """[P]: the tracks found, any numbers."""
    iou: Floats
    """[G, P]"""


@dataclass(frozen=True, eq=False)
class TrackingScores:
    """Counts of one clip or of several, and the scores that follow from them."""

    hits: Floats
    """[A]: matches at each of ``HOTA_THRESHOLDS``."""
    association: Floats
    """[A]: over the matches the sum of each one's association accuracy."""
    truth_count: int
    """Number of true masks."""
    found_count: int
    """Number of masks found."""
    identity_hits: int
    """Masks at IoU 0.5 under the identity that fits best."""
    matches: int
    """Matches at IoU 0.5."""
    matched_iou: float
    """The sum of their IoUs."""
    switches: int
    """How often a true track went on under another identity."""

    @property
    def hota(self) -> float:
        """0..1; 0 without any mask."""
        either = np.maximum(1, self.truth_count + self.found_count - self.hits)
        detection = self.hits / either
        association = self.association / np.maximum(1, self.hits)
        return float(np.sqrt(detection * association).mean())

    @property
    def idf1(self) -> float:
        """0..1; 0 without any mask."""
        return 2 * self.identity_hits / max(1, self.truth_count + self.found_count)

    @property
    def smotsa(self) -> float:
        """At most 1; below 0 where mistakes prevail."""
        false = self.found_count - self.matches
        return (self.matched_iou - false - self.switches) / max(1, self.truth_count)

    def __add__(self, other: TrackingScores) -> TrackingScores:
        """Of both together, as if one came after the other under new identities."""
        return TrackingScores(
            hits=self.hits + other.hits,
            association=self.association + other.association,
            truth_count=self.truth_count + other.truth_count,
            found_count=self.found_count + other.found_count,
            identity_hits=self.identity_hits + other.identity_hits,
            matches=self.matches + other.matches,
            matched_iou=self.matched_iou + other.matched_iou,
            switches=self.switches + other.switches,
        )

    def to_json(self) -> dict[str, Any]:
        """In JSON's own types."""
        return {
            "hota": self.hota,
            "idf1": self.idf1,
            "smotsa": self.smotsa,
            "switches": self.switches,
            "true_masks": self.truth_count,
            "found_masks": self.found_count,
        }


def overlap(
    truth_map: NDArray[np.uint16], label_map: NDArray[np.uint16], track_ids: Sequence[int]
) -> FrameOverlap:
    """Compare the disjoint masks of a frame with the true ones.

    Args:
        truth_map: [H, W]: 0 background, else the true track.
        label_map: [H, W]: 0 background, k the k-th instance.
        track_ids: the track of each instance.

    Raises:
        InputError: a track twice in the frame.
    """
    if len(set(track_ids)) < len(track_ids):
        raise InputError(f"a track may have one mask in a frame, got {sorted(track_ids)}")
    columns = len(track_ids) + 1
    pairs = truth_map.astype(np.int64) * columns + label_map
    joint = np.bincount(pairs.ravel(), minlength=columns).astype(np.float64)
    joint = np.pad(joint, (0, -len(joint) % columns)).reshape(-1, columns)
    area, label_area = joint.sum(axis=1), joint.sum(axis=0)
    seen = np.flatnonzero(area[1:]) + 1
    both = joint[seen, 1:]
    iou = both / (area[seen, None] + label_area[1:] - both)
    return FrameOverlap(seen, np.asarray(track_ids, np.int64), iou)


def score_tracking(frames: Sequence[FrameOverlap]) -> TrackingScores:
    """Score one clip.

    Args:
        frames: all of its frames in order.
    """
    truths, truth_rows = _numbered([frame.truth for frame in frames])
    found, found_rows = _numbered([frame.found for frame in frames])
    numbered = [
        FrameOverlap(rows, columns, frame.iou)
        for rows, columns, frame in zip(truth_rows, found_rows, frames, strict=True)
    ]
    truth_count = np.bincount(_joined(truth_rows), minlength=truths).astype(np.float64)
    found_count = np.bincount(_joined(found_rows), minlength=found).astype(np.float64)
    hits, association = _hota(numbered, truth_count, found_count)
    matches, matched_iou, switches = _clear(numbered, truths)
    return TrackingScores(
        hits=hits,
        association=association,
        truth_count=int(truth_count.sum()),
        found_count=int(found_count.sum()),
        identity_hits=_identity_hits(numbered, truth_count, found_count),
        matches=matches,
        matched_iou=matched_iou,
        switches=switches,
    )


def total(clips: Sequence[TrackingScores]) -> TrackingScores:
    """The scores of all clips together; at least one."""
    return reduce(TrackingScores.__add__, clips)


def _joined(ids: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(0, np.int64), *ids])


def _numbered(ids: Sequence[NDArray[np.int64]]) -> tuple[int, list[NDArray[np.int64]]]:
    """How many ids there are, and the ids of each frame numbered from 0 without gaps."""
    known = np.unique(_joined(ids))
    return len(known), [np.searchsorted(known, own) for own in ids]


def _assign(gain: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(gain, maximize=True)
    return rows, columns


def _hota(
    frames: Sequence[FrameOverlap], truth_count: Floats, found_count: Floats
) -> tuple[Floats, Floats]:
    """Matches and the sum of their association accuracies at each threshold."""
    shape = len(truth_count), len(found_count)
    alike = np.zeros(shape)
    for frame in frames:
        either = frame.iou.sum(axis=0) + frame.iou.sum(axis=1)[:, None] - frame.iou
        share = np.divide(frame.iou, either, out=np.zeros_like(frame.iou), where=either > _EPSILON)
        alike[np.ix_(frame.truth, frame.found)] += share
    counts = truth_count[:, None] + found_count
    alike /= np.maximum(counts - alike, _EPSILON)

    matched = np.zeros((len(HOTA_THRESHOLDS), *shape))
    for frame in frames:
        rows, columns = _assign(alike[np.ix_(frame.truth, frame.found)] * frame.iou)
        good = frame.iou[rows, columns] >= HOTA_THRESHOLDS[:, None] - _EPSILON
        matched[:, frame.truth[rows], frame.found[columns]] += good
    accuracy = matched / np.maximum(1, counts - matched)
    return matched.sum(axis=(1, 2)), (matched * accuracy).sum(axis=(1, 2))


def _identity_hits(frames: Sequence[FrameOverlap], truth_count: Floats, found_count: Floats) -> int:
    together = np.zeros((len(truth_count), len(found_count)))
    for frame in frames:
        together[np.ix_(frame.truth, frame.found)] += frame.iou >= _THRESHOLD
    rows, columns = _assign(together)
    return int(together[rows, columns].sum())


def _clear(frames: Sequence[FrameOverlap], truths: int) -> tuple[int, float, int]:
    """Matches, the sum of their IoUs, and changes of identity."""
    matches, matched_iou, switches = 0, 0.0, 0
    last = np.full(truths, -1)  # the identity under which each true track was last found
    before = np.full(truths, -1)  # the same of the frame before alone
    for frame in frames:
        if not frame.iou.size:
            continue  # as trackeval: an empty frame does not end what was there before it
        # Whoever was matched before stays so while the threshold allows it.
        gain = frame.iou + 1000 * (frame.found == before[frame.truth][:, None])
        rows, columns = _assign(np.where(frame.iou >= _THRESHOLD - _EPSILON, gain, 0))
        good = frame.iou[rows, columns] >= _THRESHOLD - _EPSILON
        rows, columns = rows[good], columns[good]
        who, now = frame.truth[rows], frame.found[columns]
        switches += int(((last[who] >= 0) & (last[who] != now)).sum())
        last[who] = now
        before[:] = -1
        before[who] = now
        matches += len(who)
        matched_iou += float(frame.iou[rows, columns].sum())
    return matches, matched_iou, switches

"""HOTA, IDF1 and sMOTSA of masks over time, computed by the package ``trackers``.

- HOTA (Luiten et al. 2021): geometric mean of detection and association accuracy, averaged over
  the IoU thresholds 0.05, 0.1, ... 0.95.
- IDF1 (Ristani et al. 2016): share of detections under the one identity that fits each track best,
  at IoU 0.5.
- sMOTSA (Voigtlaender et al. 2019): sum of the IoUs of matches, minus false masks and changes of
  identity, divided by the number of true masks; at IoU 0.5.

Classes are ignored: an object is found if its mask is found, with any class. Clips are scored one
by one; their counts are added up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamseg.errors import InputError


@dataclass(frozen=True, eq=False)
class FrameOverlap:
    """Overlap of the masks of one frame with the true masks."""

    truth: NDArray[np.int64]
    """[G]: the true tracks in the frame."""
    found: NDArray[np.int64]
    """[P]: the tracks found, with any numbers."""
    iou: NDArray[np.float64]
    """[G, P]"""


@dataclass(frozen=True)
class TrackingScores:
    """The scores of one clip or of several together."""

    hota: float
    """0..1; 0 without any mask."""
    idf1: float
    """0..1; 0 without any mask."""
    smotsa: float
    """At most 1; below 0 if there are more mistakes than matches."""
    switches: int
    """How often a true track continued under another identity."""
    true_masks: int
    found_masks: int

    def to_json(self) -> dict[str, Any]:
        """The scores as values that JSON can hold."""
        return asdict(self)


def overlap(
    truth_map: NDArray[np.uint16], label_map: NDArray[np.uint16], track_ids: Sequence[int]
) -> FrameOverlap:
    """Compare the disjoint masks of a frame with the true ones.

    Args:
        truth_map: [H, W]: 0 background, else the true track.
        label_map: [H, W]: 0 background, k the k-th instance.
        track_ids: the track of each instance.

    Raises:
        InputError: a track is twice in the frame.
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


def score_clips(clips: Sequence[Sequence[FrameOverlap]]) -> TrackingScores:
    """Score clips together, as one long clip in which identities do not repeat.

    Args:
        clips: all frames of each, in order.
    """
    from trackers.eval import (
        aggregate_clear_metrics,
        aggregate_hota_metrics,
        aggregate_identity_metrics,
        compute_clear_metrics,
        compute_hota_metrics,
        compute_identity_metrics,
    )

    arrays = [
        (
            [frame.truth for frame in clip],
            [frame.found for frame in clip],
            [frame.iou for frame in clip],
        )
        for clip in clips
    ]
    clear = aggregate_clear_metrics([compute_clear_metrics(*clip) for clip in arrays])
    hota = aggregate_hota_metrics([compute_hota_metrics(*clip) for clip in arrays])
    identity = aggregate_identity_metrics([compute_identity_metrics(*clip) for clip in arrays])
    return TrackingScores(
        hota=hota["HOTA"],
        idf1=identity["IDF1"],
        smotsa=clear["sMOTA"],
        switches=clear["IDSW"],
        true_masks=clear["CLR_TP"] + clear["CLR_FN"],
        found_masks=clear["CLR_TP"] + clear["CLR_FP"],
    )

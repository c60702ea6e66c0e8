"""Trackers to compare ours with: mask overlap alone, and ByteTrack on the boxes of our masks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamseg.errors import MissingExtraError
from streamseg.evaluate.scenes import FRAMES_PER_SECOND
from streamseg.results import Segments

Follow = Callable[[Segments, float], list[int]]
"""Takes the segments of the next frame and its time in seconds; returns the track of each segment,
-1 for one that is left out."""

# What both are given, as our own tracker: a lost object is looked for this long.
_MAX_GAP_SECONDS: Final = 1.0


def mask_overlap_tracker(min_iou: float = 0.1) -> Follow:
    """The plain way: most IoU in sum between the masks and those that tracks had last.

    Args:
        min_iou: of a mask and its track's last one.
    """
    from scipy.optimize import linear_sum_assignment

    masks: list[NDArray[np.bool_]] = []
    last_seen: list[float] = []
    first_kept = 0

    def follow(segments: Segments, pts_seconds: float) -> list[int]:
        nonlocal first_kept
        own = [segments.label_map == k + 1 for k in range(len(segments))]
        alive = [
            track
            for track in range(first_kept, len(masks))
            if pts_seconds - last_seen[track] <= _MAX_GAP_SECONDS
        ]
        iou = np.zeros((len(alive), len(own)))
        for row, track in enumerate(alive):
            for column, mask in enumerate(own):
                both = int(np.count_nonzero(mask & masks[track]))
                if both:
                    either = int(segments.area_px[column]) + int(masks[track].sum()) - both
                    iou[row, column] = both / either
        iou[iou < min_iou] = 0
        track_of = {
            int(column): alive[row]
            for row, column in zip(*linear_sum_assignment(iou, maximize=True), strict=True)
            if iou[row, column] > 0
        }
        tracks = []
        for column, mask in enumerate(own):
            track = track_of.get(column, len(masks))
            if track == len(masks):
                masks.append(mask)
                last_seen.append(pts_seconds)
            masks[track], last_seen[track] = mask, pts_seconds
            tracks.append(track)
        return tracks

    return follow

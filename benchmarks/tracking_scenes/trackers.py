"""Our tracker and those to compare it with: mask overlap alone, ByteTrack on the masks' boxes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from itertools import count
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.tracking_scenes.scenes import FRAMES_PER_SECOND
from streamseg.errors import MissingExtraError
from streamseg.results import Segments
from streamseg.tracking import Cues, Tracker

Follow = Callable[[Segments, float], list[int]]
"""Takes the segments of the next frame and its time in seconds; returns the track of each segment,
-1 for one that is left out."""

# How long the others look for a lost object: on scenes for tuning it suited both better than the
# 2 seconds of our own tracker.
_MAX_GAP_SECONDS: Final = 1.0


def compared_trackers(class_names: Sequence[str]) -> dict[str, Callable[[], Follow]]:
    """Ours beside the others, by name; ByteTrack where the package ``trackers`` is installed."""
    makers: dict[str, Callable[[], Follow]] = {
        "streamseg": lambda: our_tracker(class_names),
        "streamseg, every mask": lambda: our_tracker(class_names, every_mask=True),
        "mask overlap alone": mask_overlap_tracker,
        "mask overlap, births as ByteTrack": lambda: confirmed(mask_overlap_tracker()),
    }
    if find_spec("trackers"):
        makers["ByteTrack"] = lambda: byte_track(every_mask=False)
        makers["ByteTrack, every mask"] = lambda: byte_track(every_mask=True)
    return makers


def our_tracker(
    class_names: Sequence[str], cues: Cues | None = None, *, every_mask: bool = False
) -> Follow:
    """``streamseg.tracking.Tracker``.

    Args:
        class_names: as ``Tracker`` takes them.
        cues: what it goes by.
        every_mask: keep the segments of tracks that are not confirmed yet; else they are left out.
    """
    tracker = Tracker(class_names, cues=cues)
    return lambda segments, pts_seconds: [
        name.track_id if every_mask or name.is_confirmed else -1
        for name in tracker.update(segments, pts_seconds)
    ]


def confirmed(follow: Follow) -> Follow:
    """With the births of ByteTrack's own settings.

    A track counts from its second sight on, and once a segment of it had a score of 0.7; what
    comes before is left out.

    Args:
        follow: any tracker.
    """
    sights: Counter[int] = Counter()
    sure: set[int] = set()

    def follow_confirmed(segments: Segments, pts_seconds: float) -> list[int]:
        tracks = follow(segments, pts_seconds)
        sights.update(tracks)
        sure.update(t for t, s in zip(tracks, segments.score.tolist(), strict=True) if s >= 0.7)
        return [track if sights[track] > 1 and track in sure else -1 for track in tracks]

    return follow_confirmed


def mask_overlap_tracker(min_iou: float = 0.1) -> Follow:
    """The plain way: most IoU in sum between the masks and those that tracks had last.

    Args:
        min_iou: of a mask and its track's last one.
    """
    from scipy.optimize import linear_sum_assignment

    last: dict[int, tuple[float, NDArray[np.bool_]]] = {}
    started = 0

    def follow(segments: Segments, pts_seconds: float) -> list[int]:
        nonlocal started
        for track in [t for t, (seen, _) in last.items() if pts_seconds - seen > _MAX_GAP_SECONDS]:
            del last[track]
        alive = list(last)
        labels = len(segments) + 1
        joint = np.array(
            [np.bincount(segments.label_map[last[t][1]], minlength=labels) for t in alive]
        ).reshape(len(alive), labels)
        both = joint[:, 1:]
        iou = both / (joint.sum(axis=1)[:, None] + segments.area_px - both)
        rows, columns = linear_sum_assignment(np.where(iou >= min_iou, iou, 0), maximize=True)
        track_of = {
            column: alive[row]
            for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
            if iou[row, column] >= min_iou
        }
        tracks = []
        for k in range(len(segments)):
            if k not in track_of:
                started += 1
            track = track_of.get(k, started)
            last[track] = (pts_seconds, segments.label_map == k + 1)
            tracks.append(track)
        return tracks

    return follow


def byte_track(*, every_mask: bool) -> Follow:
    """ByteTrack of the package ``trackers``, with its own settings, on the boxes of our masks.

    Args:
        every_mask: keep the segments that it drops, each as a track of its own, so that the masks
            are those of the other trackers; else they are left out.

    Raises:
        MissingExtraError: ``trackers`` is not installed.
    """
    try:
        import supervision
        from trackers import ByteTrackTracker
    except ImportError as error:
        raise MissingExtraError("trackers", "dev") from error

    tracker = ByteTrackTracker(
        lost_track_buffer=round(_MAX_GAP_SECONDS * FRAMES_PER_SECOND),
        frame_rate=float(FRAMES_PER_SECOND),
    )
    loners = count(start=1_000_000)

    def follow(segments: Segments, pts_seconds: float) -> list[int]:
        del pts_seconds  # it counts frames
        detections = supervision.Detections(
            xyxy=segments.box.astype(np.float32),
            confidence=segments.score,
            class_id=segments.class_id,
            data={"row": np.arange(len(segments))},
        )
        tracked = tracker.update(detections)
        tracks = np.full(len(segments), -1)
        if len(tracked):
            tracks[tracked.data["row"]] = tracked.tracker_id
        return [t if t >= 0 or not every_mask else next(loners) for t in tracks.tolist()]

    return follow

"""streamseg's tracker, and others to compare it with: mask overlap alone, ByteTrack on boxes."""

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
from streamseg.grouping.cpu import reaches_threshold
from streamseg.results import Segments
from streamseg.tracking import Cues, Tracker

Follow = Callable[[Segments, float], list[int]]
"""Takes the segments of the next frame and its time in seconds; returns the track of each segment,
-1 for a segment that is left out."""

# How long the others look for a lost object: on tuning scenes it was better for both than the 2
# seconds of streamseg's tracker.
_MAX_GAP_SECONDS: Final = 1.0


def compared_trackers(
    class_names: Sequence[str], thresholds: Sequence[float] = ()
) -> dict[str, Callable[[], Follow]]:
    """All trackers by name; ByteTrack only if the package ``trackers`` is installed.

    Args:
        class_names: see ``our_tracker``.
        thresholds: see ``our_tracker``.
    """
    makers: dict[str, Callable[[], Follow]] = {
        "streamseg": lambda: our_tracker(class_names, thresholds),
        "streamseg, every mask": lambda: our_tracker(class_names, thresholds, every_mask=True),
        "mask overlap alone": mask_overlap_tracker,
        "mask overlap, births as ByteTrack": lambda: confirmed(mask_overlap_tracker()),
    }
    if find_spec("trackers"):
        makers["ByteTrack"] = lambda: byte_track(every_mask=False)
        makers["ByteTrack, every mask"] = lambda: byte_track(every_mask=True)
    return makers


def our_tracker(
    class_names: Sequence[str],
    thresholds: Sequence[float] = (),
    cues: Cues | None = None,
    *,
    every_mask: bool = False,
) -> Follow:
    """Make a ``streamseg.tracking.Tracker``.

    Args:
        class_names: see ``Tracker``.
        thresholds: least score, by class, of a segment that starts a track; empty for no limit.
        cues: the cues in use.
        every_mask: keep the segments of tracks that are not confirmed yet; else they are left out.
    """
    tracker = Tracker(class_names, cues=cues)

    def follow(segments: Segments, pts_seconds: float) -> list[int]:
        sure = reaches_threshold(segments, thresholds)
        return [
            name.track_id if name and (every_mask or name.is_confirmed) else -1
            for name in tracker.update(segments, pts_seconds, sure=sure)
        ]

    return follow


def confirmed(follow: Follow) -> Follow:
    """Leave out the segments of new tracks by the rule of ByteTrack's default settings.

    A track counts once it was seen twice and one of its segments had a score of 0.7; earlier
    segments are left out.

    Args:
        follow: any tracker.
    """
    sightings: Counter[int] = Counter()
    sure: set[int] = set()

    def follow_confirmed(segments: Segments, pts_seconds: float) -> list[int]:
        tracks = follow(segments, pts_seconds)
        sightings.update(tracks)
        sure.update(t for t, s in zip(tracks, segments.score.tolist(), strict=True) if s >= 0.7)
        return [track if sightings[track] > 1 and track in sure else -1 for track in tracks]

    return follow_confirmed


def mask_overlap_tracker(min_iou: float = 0.1) -> Follow:
    """Match masks with the last masks of tracks, with the largest sum of IoUs.

    Args:
        min_iou: least IoU of a mask with the last mask of its track.
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
    """ByteTrack of the package ``trackers``, with its default settings, on the boxes of masks.

    Args:
        every_mask: keep the segments that it drops, each as a track of its own, so that all
            trackers keep the same masks; else they are left out.

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

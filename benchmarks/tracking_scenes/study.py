"""Run several trackers on the same segments of synthetic scenes, and score them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmarks.tracking_scenes.scenes import SceneFrame
from benchmarks.tracking_scenes.scores import (
    FrameOverlap,
    TrackingScores,
    overlap,
    score_clips,
)
from benchmarks.tracking_scenes.trackers import Follow
from streamseg.evaluate.report.page import percent
from streamseg.frame import Image
from streamseg.grouping.cpu import find_segments
from streamseg.results import NetworkOutput, Segments
from streamseg.segmenter import Segmenter

Makers: TypeAlias = Mapping[str, Callable[[], Follow]]
"""Functions that make a tracker for a new clip, by name."""

COLUMNS = ("HOTA", "IDF1", "sMOTSA", "ID switches")


class TrackingStudy:
    """Runs trackers on clips, and scores them."""

    def __init__(self, makers: Makers) -> None:
        """Compare these trackers."""
        self._makers = dict(makers)
        self._follow: dict[str, Follow] = {}
        self._seen: dict[str, list[FrameOverlap]] = {}
        self._clips: dict[str, list[list[FrameOverlap]]] = {name: [] for name in makers}

    def begin_clip(self) -> None:
        """Make new trackers, which know no objects."""
        self._follow = {name: make() for name, make in self._makers.items()}
        self._seen = {name: [] for name in self._makers}

    def look(self, frame: SceneFrame, segments: Segments) -> None:
        """Give the segments of the next frame to every tracker."""
        labels = np.arange(len(segments))
        compared = overlap(frame.track_map, segments.label_map, labels.tolist())
        for name, follow in self._follow.items():
            tracks = np.array(follow(segments, frame.pts_seconds), np.int64)
            kept = tracks >= 0
            self._seen[name].append(
                FrameOverlap(compared.truth, tracks[kept], compared.iou[:, kept])
            )

    def end_clip(self) -> None:
        """Keep the frames since ``begin_clip`` as a clip."""
        for name, frames in self._seen.items():
            self._clips[name].append(frames)

    def scores(self) -> dict[str, TrackingScores]:
        """Score every tracker over all clips, of which there must be one."""
        return {name: score_clips(clips) for name, clips in self._clips.items()}


def table_rows(scores: Mapping[str, TrackingScores]) -> list[list[str]]:
    """Rows to print, in percent: name and ``COLUMNS``."""
    return [
        [name, percent(s.hota), percent(s.idf1), percent(s.smotsa), str(s.switches)]
        for name, s in scores.items()
    ]


def segments_of(segmenter: Segmenter, output: NetworkOutput, image: Image) -> Segments:
    """The instances of an image, with those that can only continue a track."""
    height, width = image.shape[:2]
    taus = segmenter.config.taus
    return find_segments(output, taus, segmenter.grouping, height=height, width=width)


def true_segments(frame: SceneFrame, embedding_of_track: NDArray[np.float32]) -> Segments:
    """The true masks as segments.

    Args:
        frame: with the ground truth.
        embedding_of_track: [M, D], the embedding of each track of the clip in this frame.
    """
    tracks = np.flatnonzero(np.bincount(frame.track_map.ravel(), minlength=1))
    tracks = tracks[tracks > 0]
    label_of = np.zeros(len(frame.class_of_track) + 1, np.uint16)
    label_of[tracks] = np.arange(1, len(tracks) + 1)
    boxes, areas, seeds = [], [], []
    for track in tracks.tolist():
        rows, columns = np.nonzero(frame.track_map == track)
        boxes.append((columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))
        areas.append(len(rows))
        seeds.append((rows[len(rows) // 2], columns[len(rows) // 2]))
    return Segments(
        label_map=label_of[frame.track_map],
        class_id=frame.class_of_track[tracks - 1],
        score=np.ones(len(tracks), np.float32),
        box=np.array(boxes, np.int64).reshape(-1, 4),
        area_px=np.array(areas, np.int64),
        seed_yx=np.array(seeds, np.int64).reshape(-1, 2),
        tau=np.full(len(tracks), 0.5, np.float32),
        embedding=embedding_of_track[tracks - 1],
    )

"""The tracker: starts, names, classifies and ends tracks.

A frame's segments are matched with tracks in two rounds, each one-to-one with the largest sum of
affinities (``streamseg.tracking.association``): first all tracks, by position and appearance; then
the remaining segments with missing tracks, by appearance within reach.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streamseg.errors import ConfigError, InputError
from streamseg.results import Segments
from streamseg.tracking.association import (
    Cues,
    Labels,
    TrackMask,
    View,
    affinity,
    return_affinity,
)
from streamseg.tracking.motion import Floats, Motion

# Masks are compared on about this many samples of the frame: of 1280x720, on every 4th pixel.
_GRID_SAMPLES = 60_000
# Even a score of 0 is a vote, so that the winner is never the background.
_MIN_VOTE = 1e-6
# A track is confirmed when one of its segments reaches the first score, or the sum of their scores
# reaches the second. False segments that last for some frames rarely do.
_SURE_SCORE = 0.85
_ENOUGH_EVIDENCE = 8.0
# Weight of the newest embedding in the average; less where the object is seen only in part.
_EMBEDDING_GAIN = 0.5
# Weight of the newest area in the average, which estimates the area of the whole object.
_AREA_GAIN = 0.2


@dataclass(frozen=True)
class TrackName:
    """Identity of a segment."""

    track_id: int
    """Unique within the stream over all classes, from 1."""
    name: str
    """Class and number within the class, from 1; fixed when the object is first seen: ``car-1``."""
    class_id: int
    """1..C, by a vote over the track's life, weighted by scores."""
    is_confirmed: bool
    """Whether there is enough evidence that the object is real; once true it stays true."""


@dataclass(eq=False)
class _Track:
    """State of a track."""

    track_id: int
    name: str
    motion: Motion
    mask: TrackMask
    embedding: Floats  # [D]
    area: float  # relative to the frame; an average, see _AREA_GAIN
    votes: Floats  # [C+1] sum of scores by class
    confirmed: bool = False
    missing: bool = False  # in the frame before

    @property
    def class_id(self) -> int:
        return int(self.votes.argmax())


class Tracker:
    """Gives the segments of successive frames of one stream consistent names.

    An object is named when it is first seen, so that the first frame of a stream has names too. A
    false segment of one frame therefore uses up a number; its ``TrackName.is_confirmed`` is False.
    A name is never given to another object.

    Args:
        class_names: class k (k = 1..C) is ``class_names[k - 1]``.
        max_gap_seconds: how long a missing object is still looked for.
        cues: which cues to use, for ablations.

    Raises:
        ConfigError: ``max_gap_seconds`` is negative.
    """

    def __init__(
        self,
        class_names: Sequence[str],
        *,
        max_gap_seconds: float = 2.0,
        cues: Cues | None = None,
    ) -> None:
        """Start without tracks."""
        # Imported here: it is too slow to import with the module or in ``update``.
        from scipy.optimize import linear_sum_assignment

        if not max_gap_seconds >= 0:
            raise ConfigError(f"max_gap_seconds must be 0 or more, got {max_gap_seconds}")
        self._assign = linear_sum_assignment
        self._class_names = tuple(class_names)
        self._max_gap_seconds = max_gap_seconds
        self._cues = cues or Cues()
        self._tracks: list[_Track] = []
        self._pts_seconds = -math.inf
        self._named: Counter[str] = Counter()

    def update(self, segments: Segments, pts_seconds: float) -> list[TrackName]:
        """Name the segments of the next frame.

        Args:
            segments: the frame's M disjoint instances. Their order does not matter, and the frame
                may differ in size from the last.
            pts_seconds: the frame's presentation time. A jump backwards, as of a source that
                restarts, counts as zero elapsed time.

        Returns:
            One name for each segment, in the order of the segments.

        Raises:
            InputError: a class id is not in 1..C, or the time is not finite.
        """
        self._check(segments, pts_seconds)
        self._pass_time(pts_seconds)
        # By score, then by place, so that no name depends on the order of the segments.
        order = np.lexsort((segments.seed_yx[:, 1], segments.seed_yx[:, 0], -segments.score))
        view = _view(segments)
        track_of = self._match(view, order)
        names = {}
        for k in order.tolist():
            class_id = int(segments.class_id[k])
            track = track_of.get(k)
            if track is None:
                track = self._new_track(class_id, view, k)
                self._tracks.append(track)
            else:
                _update_track(track, view, k)
            score = float(segments.score[k])
            track.votes[class_id] += max(score, _MIN_VOTE)
            enough = score >= _SURE_SCORE or track.votes.sum() >= _ENOUGH_EVIDENCE
            track.confirmed = track.confirmed or bool(enough)
            names[k] = TrackName(track.track_id, track.name, track.class_id, track.confirmed)
        return [names[k] for k in range(len(segments))]

    def _check(self, segments: Segments, pts_seconds: float) -> None:
        classes = len(self._class_names)
        outside = segments.class_id[(segments.class_id < 1) | (segments.class_id > classes)]
        if len(outside):
            raise InputError(f"class_id must be in 1..{classes}, got {outside[0]}")
        if not math.isfinite(pts_seconds):
            raise InputError(f"pts_seconds must be finite, got {pts_seconds}")

    def _pass_time(self, pts_seconds: float) -> None:
        """Age the tracks, and drop those that were missing for too long."""
        elapsed = max(0.0, pts_seconds - self._pts_seconds)
        self._pts_seconds = pts_seconds
        kept = []
        for track in self._tracks:
            # Tracks of the last frame are kept however long ago that was, so that streams with less
            # than a frame per max_gap_seconds have names too.
            missing = track.motion.unseen_seconds > 0
            track.motion.unseen_seconds += elapsed
            if not missing or track.motion.unseen_seconds <= self._max_gap_seconds:
                kept.append(track)
                track.missing = missing
        self._tracks = kept

    def _match(self, view: View, order: Labels) -> dict[int, _Track]:
        """Match tracks with segments; the result is keyed by segment."""
        tracks = self._tracks
        if not tracks or not len(order):
            return {}
        motions = [track.motion for track in tracks]
        embeddings = np.stack([track.embedding for track in tracks])
        votes = np.stack([track.votes for track in tracks])
        masks = [track.mask for track in tracks]
        missing = np.array([track.missing for track in tracks])
        gain = affinity(motions, masks, embeddings, votes, missing, view, self._cues)
        track_of = self._pairs(tracks, gain, order)

        taken = {track.track_id for track in track_of.values()}
        hidden = [
            row for row, track in enumerate(tracks) if track.missing and track.track_id not in taken
        ]
        rest = np.array([k for k in order.tolist() if k not in track_of], np.int64)
        if self._cues.reidentification and hidden and len(rest):
            gain = return_affinity(
                [motions[row] for row in hidden],
                embeddings[hidden],
                votes[hidden],
                view,
                self._cues,
            )
            track_of |= self._pairs([tracks[row] for row in hidden], gain, rest)
        return track_of

    def _pairs(self, tracks: Sequence[_Track], gain: Floats, order: Labels) -> dict[int, _Track]:
        """The one-to-one match with the highest total gain, without pairs of gain 0."""
        gain = gain[:, order]
        # Squared, so that one certain pair outweighs two uncertain ones.
        rows, columns = self._assign(gain**2, maximize=True)
        return {
            int(order[column]): tracks[row]
            for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
            if gain[row, column] > 0
        }

    def _new_track(self, class_id: int, view: View, k: int) -> _Track:
        class_name = self._class_names[class_id - 1]
        self._named[class_name] += 1
        return _Track(
            track_id=self._named.total(),
            name=f"{class_name}-{self._named[class_name]}",
            motion=Motion(view.boxes[k], constant=not self._cues.motion),
            mask=TrackMask.of(view, k),
            embedding=view.embeddings[k],
            area=float(view.area[k]) / view.labels.size,
            votes=np.zeros(len(self._class_names) + 1),
        )


def _update_track(track: _Track, view: View, k: int) -> None:
    """Update a track with its newest segment."""
    area = float(view.area[k]) / view.labels.size
    whole = min(area, track.area) / max(area, track.area, 1e-12)
    track.embedding = track.embedding + _EMBEDDING_GAIN * whole * (
        view.embeddings[k] - track.embedding
    )
    track.area += _AREA_GAIN * (area - track.area)
    track.mask = TrackMask.of(view, k)
    track.motion.update(view.boxes[k])
    track.missing = False


def _view(segments: Segments) -> View:
    height, width = segments.label_map.shape
    stride = max(1, round(math.sqrt(height * width / _GRID_SAMPLES)))
    labels = segments.label_map[stride // 2 :: stride, stride // 2 :: stride].astype(np.int64)
    return View(
        labels=labels,
        area=np.bincount(labels.ravel(), minlength=len(segments) + 1)[1:],
        boxes=segments.box.reshape(-1, 2, 2) / np.array([width, height], np.float64),
        embeddings=segments.embedding.astype(np.float64),
        class_id=segments.class_id,
    )

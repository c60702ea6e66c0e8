"""The tracker: starts, names, classifies and ends tracks.

A frame's segments are matched with tracks in three rounds, each one-to-one with the largest sum of
affinities (``streamseg.tracking.association``): sure segments with all tracks, by position and
appearance; unsure segments with the remaining tracks, in the same way; and the remaining sure
segments with missing tracks, by appearance within reach. A scene cut ends all tracks.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamseg.errors import InputError
from streamseg.frame import Image
from streamseg.results import Segments
from streamseg.tracking.association import (
    Cues,
    Labels,
    TrackMask,
    View,
    affinity,
    reidentification_affinity,
)
from streamseg.tracking.motion import Floats, Motion
from streamseg.tracking.scene_cuts import SceneCuts
from streamseg.tracking.track import Track

_MAX_GAP_SECONDS = 2.0
"""Time for which a missing object is looked for."""
# Masks are compared on about this many samples of the frame: of 1280x720, on every 4th pixel.
_GRID_SAMPLES = 60_000


@dataclass(frozen=True)
class TrackName:
    """Identity of a segment."""

    track_id: int
    """Unique within its source over all classes, from 1. With several sources, ``source_index`` and
    ``track_id`` together identify an object."""
    name: str
    """Class and number within the class, from 1: ``car-1``. It changes only with the class."""
    class_id: int
    """1..C, by a vote over the track's life, weighted by scores. Once the track is confirmed, it
    changes only to a class with four times as many votes."""
    is_confirmed: bool
    """Whether there is enough evidence that the object is real; once true it stays true."""


class Tracker:
    """Gives the segments of successive frames of one stream consistent names.

    An object is named when it is first seen, so that the first frame of a stream has names too. A
    false segment of one frame therefore uses up a number; its ``TrackName.is_confirmed`` is False.
    A name is never given to another object. An object has another name while it has another class,
    see ``TrackName.class_id``.

    Args:
        class_names: class k (k = 1..C) is ``class_names[k - 1]``.
        cues: which cues to use, for ablations.
    """

    def __init__(self, class_names: Sequence[str], *, cues: Cues | None = None) -> None:
        """Start without tracks."""
        # Imported here: it is too slow to import with the module or in ``update``.
        from scipy.optimize import linear_sum_assignment

        self._assign = linear_sum_assignment
        self._class_names = tuple(class_names)
        self._cues = cues or Cues()
        self._tracks: list[Track] = []
        self._pts_seconds = -math.inf
        self._named: Counter[str] = Counter()
        self._started = 0
        self._cuts = SceneCuts()

    def update(
        self,
        segments: Segments,
        pts_seconds: float,
        *,
        sure: NDArray[np.bool_] | None = None,
        thumbnail: Image | None = None,
    ) -> list[TrackName | None]:
        """Name the segments of the next frame.

        Args:
            segments: the frame's M disjoint instances. Their order does not matter, and the frame
                may differ in size from the last.
            pts_seconds: the frame's presentation time. A jump backwards, as of a source that
                restarts, counts as zero elapsed time.
            sure: [M], segments that may start a track; the others can only continue one. By default
                all are sure.
            thumbnail: the frame at ``THUMBNAIL_SIZE``, RGB uint8 [36, 64, 3], to recognise scene
                cuts. Without it, no scene cut is detected.

        Returns:
            A name for each segment, in the order of the segments; None for an unsure segment that
            continues no track.

        Raises:
            InputError: a class id is not in 1..C, or the time is not finite.
        """
        self._check(segments, pts_seconds)
        self._pass_time(pts_seconds)
        if thumbnail is not None and self._cuts.is_cut(thumbnail, pts_seconds):
            self._tracks = []
        # By score, then by place, so that no name depends on the order of the segments.
        order = np.lexsort((segments.seed_yx[:, 1], segments.seed_yx[:, 0], -segments.score))
        view = _view(segments)
        sure = np.ones(len(segments), bool) if sure is None else sure
        track_of = self._match(view, order[sure[order]], order[~sure[order]])
        names: list[TrackName | None] = [None] * len(segments)
        for k in order.tolist():
            class_id = int(segments.class_id[k])
            track = track_of.get(k)
            if track is not None:
                track.see(view, k)
            elif sure[k]:
                track = self._new_track(class_id, view, k)
                self._tracks.append(track)
            else:
                continue
            track.vote(class_id, float(segments.score[k]), is_sure=bool(sure[k]))
            name = self._name(track)
            names[k] = TrackName(track.track_id, name, track.class_id, track.confirmed)
        return names

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
            # than a frame per _MAX_GAP_SECONDS have names too.
            missing = track.motion.missing_seconds > 0
            track.motion.missing_seconds += elapsed
            if not missing or track.motion.missing_seconds <= _MAX_GAP_SECONDS:
                kept.append(track)
                track.missing = missing
        self._tracks = kept

    def _match(self, view: View, sure: Labels, unsure: Labels) -> dict[int, Track]:
        """Match tracks with segments, given in order; the result is keyed by segment."""
        tracks = self._tracks
        if not tracks or not len(view.class_id):
            return {}
        motions = [track.motion for track in tracks]
        embeddings = np.stack([track.embedding for track in tracks])
        votes = np.stack([track.votes for track in tracks])
        masks = [track.mask for track in tracks]
        missing = np.array([track.missing for track in tracks])
        gain = affinity(motions, masks, embeddings, votes, missing, view, self._cues)
        track_of = self._pairs(tracks, gain, sure)
        taken = {track.track_id for track in track_of.values()}
        free = [row for row, track in enumerate(tracks) if track.track_id not in taken]
        track_of |= self._pairs([tracks[row] for row in free], gain[free], unsure)

        taken = {track.track_id for track in track_of.values()}
        missing_rows = [
            row for row in free if tracks[row].missing and tracks[row].track_id not in taken
        ]
        rest = np.array([k for k in sure.tolist() if k not in track_of], np.int64)
        if self._cues.reidentification and missing_rows and len(rest):
            gain = reidentification_affinity(
                [motions[row] for row in missing_rows],
                embeddings[missing_rows],
                votes[missing_rows],
                view,
                self._cues,
            )
            track_of |= self._pairs([tracks[row] for row in missing_rows], gain, rest)
        return track_of

    def _pairs(self, tracks: Sequence[Track], gain: Floats, order: Labels) -> dict[int, Track]:
        """The one-to-one match with the highest total gain, without pairs of gain 0."""
        gain = gain[:, order]
        # Squared, so that one certain pair outweighs two uncertain ones.
        rows, columns = self._assign(gain**2, maximize=True)
        return {
            int(order[column]): tracks[row]
            for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
            if gain[row, column] > 0
        }

    def _name(self, track: Track) -> str:
        """The track's name as an object of its class."""
        if track.class_id not in track.names:
            class_name = self._class_names[track.class_id - 1]
            self._named[class_name] += 1
            track.names[track.class_id] = f"{class_name}-{self._named[class_name]}"
        return track.names[track.class_id]

    def _new_track(self, class_id: int, view: View, k: int) -> Track:
        self._started += 1
        return Track(
            track_id=self._started,
            class_id=class_id,
            names={},
            motion=Motion(view.boxes[k], constant=not self._cues.motion),
            mask=TrackMask.of(view, k),
            embedding=view.embeddings[k],
            area=float(view.area[k]) / view.labels.size,
            votes=np.zeros(len(self._class_names) + 1),
        )


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

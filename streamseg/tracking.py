"""Names that last: which instance of this frame is which object of the frames before.

Three cues say that a segment continues a track, each between 0 and 1:

- mask: IoU of the segment with the pixels where the track was last seen,
- box: overlap with the track's box, moved on by its velocity; both are widened by a margin that
  grows with doubt, so that a small fast object still meets itself,
- embedding: the method's own similarity 2 / (1 + exp(d²)) of the seeds' embeddings.

Their sum is maximised over all one-to-one matches of segments and tracks.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamseg.errors import ConfigError, InputError
from streamseg.results import Segments

Floats = NDArray[np.float64]

# Masks are compared on about this many samples of the frame; 1280x720 gives every 4th pixel.
_GRID_SAMPLES = 60_000
# The least sum of the three cues with which a segment may continue a track; it is more for another
# class than the track's, which is then taken for a flicker of the classifier.
_MIN_AFFINITY = 0.8
_MIN_AFFINITY_OTHER_CLASS = 1.5
# Unless the mask IoU is this high, neither box nor embedding may fall below that: looks alone never
# carry a name across the picture, nor does a place that something else has taken.
_SAME_PLACE_IOU = 0.5
_MIN_CUE = 0.1
# Margin of a box on each side, as a part of the box's size: the least, what each second since the
# last sight adds, and the most. It is the most until two sights have given a velocity.
_MIN_MARGIN = 0.5
_MARGIN_PER_SECOND = 1.0
_MAX_MARGIN = 1.0
# Even a score of 0 is a vote, so that the winner is never the background.
_MIN_VOTE = 1e-6
# Velocity and size are averaged over about this time, embeddings by this weight of the newest.
_MEMORY_SECONDS = 0.3
_EMBEDDING_GAIN = 0.5


@dataclass(frozen=True)
class TrackName:
    """Who a segment is."""

    track_id: int
    """Unique within the stream over all classes, from 1."""
    name: str
    """Class and number within the class, from 1; fixed when the object is first seen: ``car-1``."""
    class_id: int
    """1..C, by a vote over the track's life, weighted by scores."""


@dataclass(eq=False)
class _Track:
    """What is remembered of an object; box and velocity are in parts of the frame's size."""

    track_id: int
    name: str
    box: Floats  # [2, 2] low and high edge; x and y
    embedding: Floats  # [D]
    votes: Floats  # [C+1] sum of scores by class
    velocity: Floats  # [2] x, y per second
    sightings: int = 0
    unseen_seconds: float = 0.0

    def margin(self) -> float:
        """How far the object may be from its predicted box, as a part of the box's size."""
        if self.sightings < 2:
            return _MAX_MARGIN
        return min(_MAX_MARGIN, _MIN_MARGIN + _MARGIN_PER_SECOND * self.unseen_seconds)

    def predicted_box(self) -> Floats:
        """The last box moved on by the time since then."""
        return self.box + self.velocity * self.unseen_seconds

    def see(self, box: Floats, embedding: Floats, class_id: int, score: float) -> None:
        """Take in the object's newest segment."""
        if self.sightings:
            # A plain mean over the first sightings, then an average that forgets.
            gain = max(1 / self.sightings, -math.expm1(-self.unseen_seconds / _MEMORY_SECONDS))
            predicted = self.predicted_box()
            shift = _common_shift(box - predicted)
            if self.unseen_seconds > 0:
                self.velocity = self.velocity + gain * shift / self.unseen_seconds
            moved = predicted + shift
            box = moved + gain * (box - moved)
        self.box = box
        self.embedding = self.embedding + _EMBEDDING_GAIN * (embedding - self.embedding)
        self.votes[class_id] += max(score, _MIN_VOTE)
        self.sightings += 1
        self.unseen_seconds = 0.0


class Tracker:
    """Gives the segments of successive frames of one stream names that last.

    An object is named when it is first seen, so that already the first frame of a stream has
    names. The price: a false segment that flickers up for one frame uses up a number. A name is
    never given to another object.

    Args:
        class_names: class k (k = 1..C) is ``class_names[k - 1]``.
        max_gap_seconds: how long an object that was missing in a frame is still looked for.

    Raises:
        ConfigError: ``max_gap_seconds`` is negative.
    """

    def __init__(self, class_names: Sequence[str], *, max_gap_seconds: float = 1.0) -> None:
        """Begin a stream without any objects."""
        # Not with the module, for it is slow to import; not in update, for a frame is urgent.
        from scipy.optimize import linear_sum_assignment

        if not max_gap_seconds >= 0:
            raise ConfigError(f"max_gap_seconds must be 0 or more, got {max_gap_seconds}")
        self._assign = linear_sum_assignment
        self._class_names = tuple(class_names)
        self._max_gap_seconds = max_gap_seconds
        self._tracks: list[_Track] = []
        # Where each track was last seen, on the sampling grid: its row in _tracks + 1, 0 nobody.
        self._last_seen = np.zeros((0, 0), np.int64)
        self._pts_seconds = -math.inf
        self._named: Counter[str] = Counter()

    def update(self, segments: Segments, pts_seconds: float) -> list[TrackName]:
        """Name the segments of the next frame.

        Args:
            segments: the frame's M disjoint instances. Their order does not matter, and the frame
                may differ in size from the last.
            pts_seconds: the frame's presentation time. A jump backwards, as of a source that
                starts anew, counts as no time.

        Returns:
            One name for each segment, in the order of the segments.

        Raises:
            InputError: a class id is not in 1..C, or the time is not finite.
        """
        self._check(segments, pts_seconds)
        self._pass_time(pts_seconds)

        height, width = segments.label_map.shape
        boxes = segments.box.reshape(-1, 2, 2) / np.array([width, height], np.float64)
        embeddings = segments.embedding.astype(np.float64)
        stride = max(1, round(math.sqrt(height * width / _GRID_SAMPLES)))
        labels = segments.label_map[stride // 2 :: stride, stride // 2 :: stride].astype(np.int64)
        if labels.shape != self._last_seen.shape:
            self._last_seen = np.zeros(labels.shape, np.int64)

        # By score, then by place, so that no name depends on the order of the segments.
        order = np.lexsort((segments.seed_yx[:, 1], segments.seed_yx[:, 0], -segments.score))
        affinity = self._affinity(segments, boxes, embeddings, labels)[:, order]
        # Squared, so that one certain pair outweighs two doubtful ones.
        rows, columns = self._assign(affinity**2, maximize=True)
        row_of = {
            int(order[column]): int(row)
            for row, column in zip(rows, columns, strict=True)
            if affinity[row, column] > 0
        }
        names = {}
        for k in order.tolist():
            class_id = int(segments.class_id[k])
            if k not in row_of:
                row_of[k] = len(self._tracks)
                self._tracks.append(self._birth(class_id, boxes[k], embeddings[k]))
            track = self._tracks[row_of[k]]
            track.see(boxes[k], embeddings[k], class_id, float(segments.score[k]))
            names[k] = TrackName(track.track_id, track.name, int(track.votes.argmax()))
        self._remember(labels, row_of)
        return [names[k] for k in range(len(segments))]

    def _check(self, segments: Segments, pts_seconds: float) -> None:
        classes = len(self._class_names)
        outside = segments.class_id[(segments.class_id < 1) | (segments.class_id > classes)]
        if len(outside):
            raise InputError(f"class_id must be in 1..{classes}, got {outside[0]}")
        if not math.isfinite(pts_seconds):
            raise InputError(f"pts_seconds must be finite, got {pts_seconds}")

    def _pass_time(self, pts_seconds: float) -> None:
        """Let the tracks grow older and forget those that were missing for too long."""
        elapsed = max(0.0, pts_seconds - self._pts_seconds)
        self._pts_seconds = pts_seconds
        row_after = np.zeros(len(self._tracks) + 1, np.int64)
        kept = []
        for row, track in enumerate(self._tracks):
            # What the last frame showed is looked for however long ago that was: streams of less
            # than a frame in max_gap_seconds have names too.
            missing = track.unseen_seconds > 0
            track.unseen_seconds += elapsed
            if not missing or track.unseen_seconds <= self._max_gap_seconds:
                kept.append(track)
                row_after[row + 1] = len(kept)
        if len(kept) < len(self._tracks):
            self._tracks = kept
            self._last_seen = row_after[self._last_seen]

    def _affinity(
        self,
        segments: Segments,
        boxes: Floats,  # [M, 2, 2] as a track's
        embeddings: Floats,  # [M, D]
        labels: NDArray[np.int64],  # the label map on the sampling grid
    ) -> Floats:
        """Sum of the three cues for tracks times segments, 0 where they cannot be the same."""
        tracks = self._tracks
        if not tracks or not len(segments):
            return np.zeros((len(tracks), len(segments)))
        mask = _mask_iou(self._last_seen, labels, len(tracks), len(segments))
        box = _box_overlap(
            np.stack([track.predicted_box() for track in tracks]),
            boxes,
            np.array([track.margin() for track in tracks]),
        )
        similarity = _similarity(np.stack([track.embedding for track in tracks]), embeddings)
        affinity = mask + box + similarity

        class_id = np.array([track.votes.argmax() for track in tracks])
        same_class = class_id[:, None] == segments.class_id
        needed = np.where(same_class, _MIN_AFFINITY, _MIN_AFFINITY_OTHER_CLASS)
        possible = (affinity >= needed) & (
            (mask >= _SAME_PLACE_IOU) | (np.minimum(box, similarity) >= _MIN_CUE)
        )
        return np.where(possible, affinity, 0.0)

    def _birth(self, class_id: int, box: Floats, embedding: Floats) -> _Track:
        class_name = self._class_names[class_id - 1]
        self._named[class_name] += 1
        return _Track(
            track_id=self._named.total(),
            name=f"{class_name}-{self._named[class_name]}",
            box=box,
            embedding=embedding,
            votes=np.zeros(len(self._class_names) + 1),
            velocity=np.zeros(2),
        )

    def _remember(self, labels: NDArray[np.int64], row_of: dict[int, int]) -> None:
        """Note where the tracks are; a missing one stays where it was, behind the others."""
        row_now = np.zeros(len(row_of) + 1, np.int64)
        row_before = np.arange(len(self._tracks) + 1)
        for k, row in row_of.items():
            row_now[k + 1] = row + 1
            row_before[row + 1] = 0
        now = row_now.take(labels)
        self._last_seen = np.where(now > 0, now, row_before.take(self._last_seen))


def _mask_iou(
    rows: NDArray[np.int64], labels: NDArray[np.int64], tracks: int, segments: int
) -> Floats:
    """IoU [tracks, segments] of the regions of two maps of one shape, where 0 is nobody."""
    joint = np.bincount(
        (rows * (segments + 1) + labels).ravel(), minlength=(tracks + 1) * (segments + 1)
    ).reshape(tracks + 1, segments + 1)
    both = joint[1:, 1:]
    either = joint.sum(axis=1)[1:, None] + joint.sum(axis=0)[1:] - both
    # A segment may be too small for the grid: then neither has any samples.
    iou: Floats = both / np.maximum(either, 1)
    return iou


def _common_shift(residual: Floats) -> Floats:
    """Motion [2] that both edges share, of residuals [2, 2]: low and high edge; x and y.

    What one edge alone does is no motion: it is an occluder, the border of the frame or a ragged
    mask, and edges that part are a change of size.
    """
    shift: Floats = np.maximum(residual.min(axis=0), 0) + np.minimum(residual.max(axis=0), 0)
    return shift


def _box_overlap(a: Floats, b: Floats, margin: Floats) -> Floats:
    """Overlap [T, M] of boxes a [T, 2, 2] and b [M, 2, 2], both widened by a's margins [T].

    Margins are parts of each box's own size, on each side. The overlap is the shared area over the
    geometric mean of both areas: 0 apart, 1 equal, and milder than IoU with what is half hidden.
    """
    pair = np.stack(np.broadcast_arrays(a[:, None], b))  # [2, T, M, 2, 2]
    low, high = pair[..., 0, :], pair[..., 1, :]
    widening = margin[:, None, None] * (high - low)
    low, high = low - widening, high + widening
    shared = np.maximum(high.min(axis=0) - low.max(axis=0), 0).prod(axis=-1)
    overlap: Floats = shared / np.sqrt((high - low).prod(axis=-1).prod(axis=0))
    return overlap


def _similarity(a: Floats, b: Floats) -> Floats:
    """The method's similarity [T, M] of embeddings a [T, D] and b [M, D]."""
    squared = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1) - 2 * a @ b.T
    # Clipped far beyond any distance that counts, so that exp does not overflow.
    similarity: Floats = 2 / (1 + np.exp(np.clip(squared, 0, 50)))
    return similarity

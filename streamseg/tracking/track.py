"""State of a track: where and how its object was last seen, its class, and the evidence for it."""

from __future__ import annotations

from dataclasses import dataclass

from streamseg.tracking.association import TrackMask, View
from streamseg.tracking.motion import Floats, Motion

# Even a score of 0 is a vote, so that the winner is never the background.
_MIN_VOTE = 1e-6
# A track is confirmed when one of its segments reaches the first score, or the sum of the scores of
# its sure segments reaches the second. False segments that last for some frames rarely do.
_SURE_SCORE = 0.85
_ENOUGH_EVIDENCE = 1.0
# A confirmed track changes its class and name if another class has this many times the votes.
_CLEAR_MAJORITY = 4.0
# Weight of the newest embedding in the average; less where the object is seen only in part.
_EMBEDDING_GAIN = 0.5
# Weight of the newest area in the average, which estimates the area of the whole object.
_AREA_GAIN = 0.2


@dataclass(eq=False)
class Track:
    """State of a track."""

    track_id: int
    class_id: int
    names: dict[int, str]  # by class
    motion: Motion
    mask: TrackMask
    embedding: Floats  # [D]
    area: float  # relative to the frame; an average, see _AREA_GAIN
    votes: Floats  # [C+1] sum of scores by class
    evidence: float = 0.0  # sum of the scores of sure segments
    confirmed: bool = False
    missing: bool = False  # in the frame before

    def see(self, view: View, k: int) -> None:
        """Update place and looks with its newest segment."""
        area = float(view.area[k]) / view.labels.size
        whole = min(area, self.area) / max(area, self.area, 1e-12)
        self.embedding = self.embedding + _EMBEDDING_GAIN * whole * (
            view.embeddings[k] - self.embedding
        )
        self.area += _AREA_GAIN * (area - self.area)
        self.mask = TrackMask.of(view, k)
        self.motion.update(view.boxes[k])
        self.missing = False

    def vote(self, class_id: int, score: float, *, is_sure: bool) -> None:
        """Count a segment: for the track's class, and as evidence that the object is real.

        Args:
            class_id: 1..C, of the segment.
            score: of the segment.
            is_sure: whether it could have started a track; only then is it evidence.
        """
        self.votes[class_id] += max(score, _MIN_VOTE)
        needed = _CLEAR_MAJORITY if self.confirmed else 1.0
        if self.votes.max() > needed * self.votes[self.class_id]:
            self.class_id = int(self.votes.argmax())
        if is_sure:
            self.evidence += score
        enough = score >= _SURE_SCORE or self.evidence >= _ENOUGH_EVIDENCE
        self.confirmed = self.confirmed or enough

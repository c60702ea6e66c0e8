"""Where an object is expected: its box, moved on by its velocity, and how far it may be from there.

Boxes are float64 [2, 2], low and high edge, x and y, in parts of the frame's size; velocities are
[2] in such parts a second.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Margin of a box on each side, as a part of the box's size: the least, what each second since the
# last sight adds, and the most. It is the most until two sights have given a velocity.
_MIN_MARGIN = 0.8
_MARGIN_PER_SECOND = 1.0
_MAX_MARGIN = 1.0
# Velocity is averaged over about this time, size over a longer one: while objects touch, two may be
# one segment for a while, or one two.
_MEMORY_SECONDS = 0.5
_SIZE_MEMORY_SECONDS = 2.0
# What is hidden is looked for this far around its box, as a part of the frame: at first, and what
# each second adds.
_REACH = 0.12
_REACH_PER_SECOND = 0.2


class Motion:
    """Box and velocity of one object, corrected at each sight."""

    def __init__(self, box: Floats, *, constant: bool = False) -> None:
        """Begin at rest.

        Args:
            box: where the object is first seen.
            constant: never expect it to move.
        """
        self.box = box
        self.velocity = np.zeros(2)
        self.unseen_seconds = 0.0
        self._sightings = 1
        self._constant = constant

    def predicted_box(self) -> Floats:
        """The last box moved on by the time since then."""
        return self.box + self.velocity * self.unseen_seconds

    def predicted_shift(self) -> Floats:
        """How far the object is expected to have moved since it was seen, [2]."""
        return self.velocity * self.unseen_seconds

    def margin(self) -> float:
        """How far the object may be from its predicted box, as a part of the box's size."""
        if self._sightings < 2:
            return _MAX_MARGIN
        return min(_MAX_MARGIN, _MIN_MARGIN + _MARGIN_PER_SECOND * self.unseen_seconds)

    def reach(self) -> Floats:
        """The box in which the object may come up again after it was hidden.

        It may have stopped or gone on, so it is all between the last box and the predicted one.
        """
        predicted = self.predicted_box()
        slack = _REACH + _REACH_PER_SECOND * self.unseen_seconds
        low = np.minimum(self.box[0], predicted[0]) - slack
        high = np.maximum(self.box[1], predicted[1]) + slack
        return np.stack([low, high])

    def see(self, box: Floats) -> None:
        """Correct box and velocity by the newest sight."""
        # A plain mean over the first sightings, then an average that forgets.
        gain = self._gain(_MEMORY_SECONDS)
        predicted = self.predicted_box()
        shift = _common_shift(box - predicted)
        if self.unseen_seconds > 0 and not self._constant:
            self.velocity = self.velocity + gain * shift / self.unseen_seconds
        moved = predicted + shift
        self.box = moved + self._gain(_SIZE_MEMORY_SECONDS) * (box - moved)
        self._sightings += 1
        self.unseen_seconds = 0.0

    def _gain(self, memory_seconds: float) -> float:
        """Weight of the newest sight in an average over some time."""
        return max(1 / self._sightings, -math.expm1(-self.unseen_seconds / memory_seconds))


def _common_shift(residual: Floats) -> Floats:
    """Motion [2] that both edges share, of residuals [2, 2]: low and high edge; x and y.

    What one edge alone does is no motion: it is an occluder, the border of the frame or a ragged
    mask, and edges that part are a change of size.
    """
    shift: Floats = np.maximum(residual.min(axis=0), 0) + np.minimum(residual.max(axis=0), 0)
    return shift

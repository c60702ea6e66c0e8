"""Motion model: an object's box, its velocity, and the uncertainty of its position.

Boxes are float64 [2, 2], low and high edge, x and y, relative to the frame's size; velocities are
[2], in the same unit per second.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Margin of a box on each side, relative to the box's size: minimum, growth per second since the
# last sighting, and maximum, which holds until two sightings have given a velocity.
_MIN_MARGIN = 0.8
_MARGIN_PER_SECOND = 1.0
_MAX_MARGIN = 1.0
# Velocity is averaged over about this time, size over a longer one: while objects touch, they may
# be segmented as one for a while.
_MEMORY_SECONDS = 0.5
_SIZE_MEMORY_SECONDS = 2.0
# Search radius around the box of a missing object, relative to the frame: at first, and growth per
# second.
_REACH = 0.12
_REACH_PER_SECOND = 0.2


class Motion:
    """Box and velocity of one object, updated at each sighting."""

    def __init__(self, box: Floats, *, constant: bool = False) -> None:
        """Start at rest.

        Args:
            box: where the object is first seen.
            constant: keep the velocity at 0.
        """
        self.box = box
        self.velocity = np.zeros(2)
        self.missing_seconds = 0.0
        self._sightings = 1
        self._constant = constant

    def predicted_box(self) -> Floats:
        """The last box, moved by velocity times the time since then."""
        return self.box + self.velocity * self.missing_seconds

    def predicted_shift(self) -> Floats:
        """How far the object has probably moved since it was seen, [2]."""
        return self.velocity * self.missing_seconds

    def margin(self) -> float:
        """How far the object may be from its predicted box, relative to the box's size."""
        if self._sightings < 2:
            return _MAX_MARGIN
        return min(_MAX_MARGIN, _MIN_MARGIN + _MARGIN_PER_SECOND * self.missing_seconds)

    def reach(self) -> Floats:
        """The box in which a missing object may reappear.

        The object may have stopped or moved on: the box spans the last and the predicted one.
        """
        predicted = self.predicted_box()
        slack = _REACH + _REACH_PER_SECOND * self.missing_seconds
        low = np.minimum(self.box[0], predicted[0]) - slack
        high = np.maximum(self.box[1], predicted[1]) + slack
        return np.stack([low, high])

    def update(self, box: Floats) -> None:
        """Update box and velocity with a new sighting."""
        # A plain mean over the first sightings, then an exponential average.
        gain = self._gain(_MEMORY_SECONDS)
        predicted = self.predicted_box()
        shift = _common_shift(box - predicted)
        if self.missing_seconds > 0 and not self._constant:
            self.velocity = self.velocity + gain * shift / self.missing_seconds
        moved = predicted + shift
        self.box = moved + self._gain(_SIZE_MEMORY_SECONDS) * (box - moved)
        self._sightings += 1
        self.missing_seconds = 0.0

    def _gain(self, memory_seconds: float) -> float:
        """Weight of the newest sighting in an average over some time."""
        return max(1 / self._sightings, -math.expm1(-self.missing_seconds / memory_seconds))


def _common_shift(residual: Floats) -> Floats:
    """The motion [2] that both edges share, of residuals [2, 2]: low and high edge; x and y.

    A shift of one edge only is not motion: it comes from an occluder, the border of the frame or
    a ragged mask. Edges that move apart are a change of size.
    """
    shift: Floats = np.maximum(residual.min(axis=0), 0) + np.minimum(residual.max(axis=0), 0)
    return shift

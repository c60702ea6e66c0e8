"""Recognise scene cuts: frames after which nothing is where it was.

A frame is compared with the one before on a thumbnail, in the logarithm of its brightness, so that
another exposure is only an offset. A frame is a cut if both are true:

- The middle of the frame is not found in the frame before, neither at this place nor moved by up to
  an eighth of the frame. The measure is the normalised cross-correlation.
- A good part of it has changed its brightness, compared with where it correlates best.

Therefore neither a fast turn nor a flat image with one moving object is taken for a cut.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Floats32 = NDArray[np.float32]

THUMBNAIL_SIZE = (64, 36)
"""Width and height of the images to compare; each 2x2 pixels are averaged."""
_LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)
# How far the middle may have moved, in averaged pixels: y, x.
_REACH = (2, 4)
# A correlation at the same place that is not looked into further.
_SAME = 0.9
# The best correlation, and the least share of changed pixels, of a cut.
_MAX_CORRELATION = 0.5
_MIN_CHANGED = 0.4
# A pixel has changed if the logarithm of its brightness has changed by more than this (a factor of
# 1.16), beyond the change of the median.
_CHANGE = 0.15
# Grey levels added before the logarithm, so that noise in the dark counts little.
_DARK = 16.0
# Spread of the logarithm below which an image is blank (black, white, covered).
_MIN_CONTRAST = 0.02
# Frames that are further apart differ without a cut.
_MAX_SECONDS = 0.5


class SceneCuts:
    """Compares each frame of a stream with the one before."""

    def __init__(self) -> None:
        """Start without a frame."""
        self._before: Floats32 | None = None
        self._pts_seconds = 0.0

    def is_cut(self, thumbnail: NDArray[np.uint8], pts_seconds: float) -> bool:
        """Whether a scene begins with this frame.

        Blank frames are passed over: the next one is compared with the last that was not blank.

        Args:
            thumbnail: the frame, RGB uint8 [36, 64, 3], see ``THUMBNAIL_SIZE``.
            pts_seconds: the frame's presentation time.
        """
        now = _log_brightness(thumbnail)
        if now.std() < _MIN_CONTRAST:
            return False
        before, self._before = self._before, now
        elapsed, self._pts_seconds = pts_seconds - self._pts_seconds, pts_seconds
        return before is not None and abs(elapsed) <= _MAX_SECONDS and _differ(before, now)


def _log_brightness(thumbnail: NDArray[np.uint8]) -> Floats32:
    """[18, 32], the natural logarithm of the brightness."""
    grey = thumbnail.astype(np.float32) @ _LUMINANCE
    rows = grey[::2] + grey[1::2]
    log: Floats32 = np.log((rows[:, ::2] + rows[:, 1::2]) / 4 + _DARK)
    return log


def _differ(before: Floats32, now: Floats32) -> bool:
    y, x = _REACH
    middle = now[y:-y, x:-x]
    centred = middle - middle.mean()
    spread = float(np.square(centred).sum())
    same_place = before[y:-y, x:-x]
    if _correlation(same_place, centred, spread) > _SAME:  # nearly always, and quickly found
        return False
    windows = sliding_window_view(before, middle.shape).reshape(-1, *middle.shape)
    correlation = [_correlation(window, centred, spread) for window in windows]
    best = int(np.argmax(correlation))
    if correlation[best] > _MAX_CORRELATION:
        return False
    change = middle - windows[best]
    return bool((np.abs(change - np.median(change)) > _CHANGE).mean() > _MIN_CHANGED)


def _correlation(window: Floats32, centred: Floats32, spread: float) -> float:
    """Correlation of a window with an image of mean 0 and this sum of squares."""
    product = float(np.vdot(window, centred))  # the mean of the window cancels
    own = float(window.var()) * window.size
    return product / math.sqrt(max(own * spread, 1e-12))

"""A camera that shows the time, so that a browser can read how old its image is."""

from __future__ import annotations

import time
from collections.abc import Generator
from fractions import Fraction
from functools import partial
from itertools import count
from typing import Final

import numpy as np

from streamseg.frame import Frame, Image
from streamseg.video.base import Source
from streamseg.video.test_pattern import PatternSource

WIDTH: Final = 960
HEIGHT: Final = 540
TIME_BITS: Final = 24
"""Milliseconds of the wall clock; they repeat after 4.6 hours."""
STRIPES: Final = TIME_BITS + 8
"""With the sum of the time's three bytes: a stripe may be hidden by a mask's outline."""
STRIPE_HEIGHT: Final = 1 / 20
"""Of the image, at its lower edge."""

# Reads the canvas of the page with each image that the browser shows; ages in ms. Takes
# TIME_BITS and STRIPES.
READER: Final = """
([bits, stripes]) => {
  const ages = window.ages = [];
  let last = -1;
  const look = () => {
    requestAnimationFrame(look);
    const canvas = document.querySelector(".camera canvas");
    const context = canvas.getContext("2d");
    const row = context.getImageData(0, Math.floor(canvas.height * 0.975), canvas.width, 1).data;
    let value = 0, sum = 0;
    for (let i = 0; i < stripes; i++) {
      const bit = row[4 * Math.floor((i + 0.5) * canvas.width / stripes) + 1] > 128 ? 1 : 0;
      if (i < bits) value += bit * 2 ** i; else sum += bit * 2 ** (i - bits);
    }
    const right = ((value & 255) + ((value >> 8) & 255) + (value >> 16)) & 255;
    if (sum !== right || value === last) return;
    last = value;
    ages.push((Date.now() - value + 2 ** (bits + 1)) % 2 ** bits);
  };
  look();
}
"""


class ClockSource(Source):
    """The street of the test pattern, 960x540, with the time in black and white stripes."""

    def __init__(self, fps: float | None = None) -> None:
        """Start the clock.

        Args:
            fps: frames per second, as of a camera; None gives them as fast as they are taken.
        """
        with PatternSource(f"test-pattern:{WIDTH}x{HEIGHT}@25?frames=1") as pattern:
            self._street = next(pattern)
        super().__init__(
            self._read(fps),
            "clock",
            time_base=Fraction(1, 1000),
            average_rate=None,
            frame_count=None,
            duration_seconds=None,
            is_live=fps is not None,
        )

    def _read(self, fps: float | None) -> Generator[Frame, None, None]:
        started = time.monotonic()
        for index in count():
            if fps is not None:
                due = started + index / fps - time.monotonic()
                if self.stopping.wait(max(0.0, due)):
                    return
            shown = int(1e3 * time.time()) % 2**TIME_BITS
            seconds = time.monotonic() - started
            yield Frame(index, seconds + index * 1e-6, HEIGHT, WIDTH, partial(self._draw, shown))

    def _draw(self, milliseconds: int, width: int, height: int) -> Image:
        image: Image = self._street.render(width, height).copy()
        total = sum((milliseconds >> shift) & 255 for shift in (0, 8, 16)) & 255
        value = milliseconds | total << TIME_BITS
        bits = np.array([value >> bit & 1 for bit in range(STRIPES)], np.uint8) * 255
        row = bits[np.arange(width) * STRIPES // width]
        image[height - round(height * STRIPE_HEIGHT) :] = row[None, :, None]
        return image

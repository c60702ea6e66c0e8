"""The paper's augmentation: rotation, scale, a window rich in instances, flip; and colour.

Rotation, scale, flip and crop are one affine map, so that every pixel is resampled once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from streamseg.datasets import VOID, Sample
from streamseg.frame import Image

WINDOWS = 100
PADDING = (127, 127, 127)


@dataclass(frozen=True, eq=False)
class Crop:
    """A training image: ``image`` RGB uint8 [S, S, 3], ``object_map`` uint8 [S, S]."""

    image: Image
    object_map: NDArray[np.uint8]
    centre_xy: tuple[float, float]
    """Centre of the crop, in its pixels from the centre of the scaled and turned image."""


@dataclass(frozen=True, eq=False)
class View:
    """The part of an image to cut out, and its transform."""

    forward: NDArray[np.float64]
    """[2, 2]: x, y from the image's centre to the scaled, turned, mirrored plane."""
    centre: NDArray[np.float64]
    """[2]: x, y of the window's centre in that plane."""
    colour: NDArray[np.float64]
    """[3]: factors of brightness, contrast and saturation."""


@dataclass(frozen=True, eq=False)
class AugmentDraw:
    """The random numbers for one training image, drawn before the image is opened.

    Processes share a batch this way: each draws the numbers for every image and opens only its own
    images.
    """

    turn: float
    """In 0..1, like all others except ``mirror``."""
    zoom: float
    mirror: float
    """1 or -1."""
    windows: NDArray[np.float64]
    """[100, 2]."""
    window: float
    colour: NDArray[np.float64]
    """[3]: brightness, contrast, saturation."""

    @classmethod
    def draw(cls, rng: np.random.Generator) -> AugmentDraw:
        """Draw all numbers from a generator."""
        return cls(
            turn=rng.random(),
            zoom=rng.random(),
            mirror=float(rng.choice((-1.0, 1.0))),
            windows=rng.random((WINDOWS, 2)),
            window=rng.random(),
            colour=rng.random(3),
        )


def choose_view(
    sample: Sample,
    size: int,
    *,
    rotation_degrees: float,
    scale_range: tuple[float, float],
    colour_jitter: float,
    draw: AugmentDraw,
) -> View:
    """Choose the part and the transform of a training image.

    Args:
        sample: the image and its objects.
        size: side S of the result in pixels.
        rotation_degrees: the angle is uniform in ± this.
        scale_range: the scale is log-uniform in this range.
        colour_jitter: brightness, contrast and saturation are multiplied by 1 ± this.
        draw: random numbers for this image.
    """
    height, width = sample.object_map.shape
    angle = np.deg2rad(-rotation_degrees + 2 * rotation_degrees * draw.turn)
    smallest, largest = np.log(scale_range)
    scale = np.exp(smallest + (largest - smallest) * draw.zoom)
    mirror = draw.mirror
    cos, sin = np.cos(angle), np.sin(angle)
    forward = scale * np.array([[mirror * cos, -mirror * sin], [sin, cos]])
    extent = np.abs(forward) @ (width, height)
    centre = _choose_window(sample, forward, extent, size, draw)
    colour = 1 - colour_jitter + 2 * colour_jitter * draw.colour
    return View(forward, centre, colour)


def cut(sample: Sample, size: int, view: View) -> Crop:
    """Cut a training image out of a sample.

    Args:
        sample: the image and its objects.
        size: side S of the result in pixels. What lies outside of the image is grey and void.
        view: of the sample.
    """
    height, width = sample.object_map.shape
    backward = np.linalg.inv(view.forward)
    corner = backward @ (view.centre - size / 2) + (width / 2, height / 2)
    affine = (*backward[0], corner[0], *backward[1], corner[1])
    image = PillowImage.fromarray(sample.image).transform(
        (size, size),
        PillowImage.Transform.AFFINE,
        affine,
        PillowImage.Resampling.BILINEAR,
        fillcolor=PADDING,
    )
    object_map = PillowImage.fromarray(sample.object_map).transform(
        (size, size), PillowImage.Transform.AFFINE, affine, fillcolor=VOID
    )
    return Crop(
        _change_colour(np.asarray(image), view.colour),
        np.asarray(object_map),
        (float(view.centre[0]), float(view.centre[1])),
    )


def _choose_window(
    sample: Sample,
    forward: NDArray[np.float64],
    extent: NDArray[np.float64],
    size: int,
    draw: AugmentDraw,
) -> NDArray[np.float64]:
    """Centre x, y of a window in the turned plane.

    Draws one of 100 random windows, with a probability that rises with the number of object centres
    in it.
    """
    reach = np.abs(extent - size) / 2
    centres = -reach + 2 * reach * draw.windows
    height, width = sample.object_map.shape
    rows, columns = np.nonzero((sample.object_map > 0) & (sample.object_map != VOID))
    labels = sample.object_map[rows, columns]
    pixels = np.bincount(labels, minlength=len(sample) + 1)[1:]
    sums = [np.bincount(labels, axis, len(sample) + 1)[1:] for axis in (columns, rows)]
    objects = (np.stack(sums, 1) / np.maximum(pixels, 1)[:, None]) - (width / 2, height / 2)
    offsets = np.abs((objects @ forward.T)[None] - centres[:, None])  # [windows, objects, 2]
    held = (offsets < size / 2).all(2).sum(1)
    weight = np.cumsum(held + 1e-3)
    chosen: NDArray[np.float64] = centres[np.searchsorted(weight / weight[-1], draw.window)]
    return chosen


def _change_colour(image: Image, factors: NDArray[np.float64]) -> Image:
    """Multiply brightness, contrast and saturation."""
    brightness, contrast, saturation = factors.astype(np.float32)
    pixels = image.astype(np.float32)
    grey = pixels.mean(2, keepdims=True)
    pixels = grey + (pixels - grey) * saturation
    pixels = (pixels - 127) * (contrast * brightness) + 127 * brightness
    changed: Image = np.clip(pixels, 0, 255).astype(np.uint8)
    return changed

"""Colour the network's output maps: embeddings, seediness, similarity."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamseg.frame import Image

HEAT = ((6, 5, 30), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164))
"""Dark blue, purple, red, orange, pale yellow: brightness increases steadily."""


def embedding_colours(embeddings: NDArray[np.float32]) -> Image:
    """False colours of an embedding map: pixels that are close in embedding look alike.

    Args:
        embeddings: float [D, h, w].

    Returns:
        RGB uint8 [h, w, 3]: the first three principal components, each stretched to its range
        without the outer 1 % on each side. Colours of two images are not comparable.
    """
    depth, height, width = embeddings.shape
    centred = embeddings.reshape(depth, -1).astype(np.float64)
    centred -= centred.mean(axis=1, keepdims=True)
    # eigh sorts in ascending order. The sign of an axis is arbitrary: its largest entry is made
    # positive.
    axes = np.linalg.eigh(centred @ centred.T)[1][:, ::-1][:, :3]
    axes *= np.sign(np.take_along_axis(axes, np.abs(axes).argmax(axis=0)[None], axis=0))
    return _stretched(centred.T @ axes).reshape(height, width, 3)


def random_colours(embeddings: NDArray[np.float32]) -> Image:
    """False colours by a random projection: unlike principal components, the same for each image.

    Args:
        embeddings: float [D, h, w].

    Returns:
        RGB uint8 [h, w, 3]: coordinates along three random orthogonal directions, always the same
        for one D, each stretched to its range without the outer 1 % on each side.
    """
    depth, height, width = embeddings.shape
    axes = np.linalg.qr(np.random.default_rng(0).standard_normal((depth, 3)))[0]
    return _stretched(embeddings.reshape(depth, -1).T @ axes).reshape(height, width, 3)


def heat(values: NDArray[np.float32]) -> Image:
    """Heat colours of a map of seediness or similarity.

    Args:
        values: float [h, w]; 0 is dark, 1 is bright; values are clipped to this range.

    Returns:
        RGB uint8 [h, w, 3].
    """
    stops = np.linspace(0, 1, len(HEAT))
    channels = [np.interp(values, stops, stop) for stop in zip(*HEAT, strict=True)]
    return np.rint(np.stack(channels, axis=-1)).astype(np.uint8)


def _stretched(components: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Convert up to three coordinates of N points, [N, 1..3], to colours [N, 3]."""
    colours = np.zeros((len(components), 3), np.uint8)
    low, high = np.percentile(components, (1, 99), axis=0)
    unit = np.clip((components - low) / np.maximum(high - low, 1e-12), 0, 1)
    colours[:, : components.shape[1]] = np.rint(unit * 255)
    return colours

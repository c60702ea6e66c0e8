"""Draw outputs of the network as images, without titles; ``figures`` adds those.

Maps are enlarged with smooth edges, classes and masks with hard ones. Images are RGB uint8
[H, W, 3]. ``false_colours`` colours embeddings and seediness.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw

from streamseg.drawing.false_colours import HEAT, heat
from streamseg.drawing.lettering import INK, Colour, font
from streamseg.drawing.overlay import class_colour
from streamseg.drawing.panels import Size
from streamseg.frame import Image

_FINENESS = 4  # discs are drawn at this scale and then reduced: Pillow does not antialias


def similarity(embeddings: NDArray[np.float32], y: int, x: int) -> NDArray[np.float32]:
    """Similarity (1) of every pixel to one pixel, float32 [h, w], 0..1.

    Args:
        embeddings: float32 [D, h, w].
        y: row of the pixel on the map.
        x: its column.
    """
    distance = np.square(embeddings - embeddings[:, y, x, None, None]).sum(axis=0)
    found: NDArray[np.float32] = 2 / (1 + np.exp(np.minimum(distance, 80)))  # exp(89) overflows
    return found


def similarity_image(
    embeddings: NDArray[np.float32], y: int, x: int, tau: float, number: int, size: Size
) -> Image:
    """Draw the similarity to a seed, the outline of its mask (3), and the seed's number."""
    values = enlarge(similarity(embeddings, y, x), size)
    image = heat(values)
    inside = values >= tau
    edge = np.zeros_like(inside)
    edge[1:] |= inside[1:] != inside[:-1]
    edge[:, 1:] |= inside[:, 1:] != inside[:, :-1]
    image[edge] = 255
    return _discs(image, [(y, x)], embeddings.shape[1:], [(str(number), (255, 255, 255))])


def number_seeds(
    photo: Image,
    seeds: Sequence[tuple[int, int]],
    map_shape: tuple[int, ...],
    colours: Sequence[Colour],
) -> Image:
    """Draw numbered discs at seeds (y, x on a map [h, w]) over the darkened image."""
    marks = [(str(number), colour) for number, colour in enumerate(colours, start=1)]
    return _discs((photo * 0.5).astype(np.uint8), seeds, map_shape, marks)


def class_image(
    probabilities: NDArray[np.float32], class_names: Sequence[str]
) -> tuple[Image, list[tuple[str, Colour]]]:
    """Draw the most probable class of every pixel; brightness is its probability.

    Args:
        probabilities: float32 [C+1, h, w], background first.
        class_names: C names.

    Returns:
        RGB uint8 [h, w, 3], and the names and colours of the classes that reach 20 % anywhere,
        those with most pixels first.
    """
    colours = np.array([class_colour(k + 1) for k in range(len(class_names))], np.float32)
    best = probabilities[1:].argmax(axis=0)
    likely = probabilities[1:].max(axis=0)
    darkest = HEAT[0]
    image = darkest + likely[..., None] * (colours[best] - darkest)
    pixels = np.bincount(best[likely >= 0.2], minlength=len(class_names))
    order = [k for k in np.argsort(-pixels, kind="stable").tolist() if pixels[k]]
    legend = [(class_names[k], class_colour(k + 1)) for k in order]
    return np.rint(image).astype(np.uint8), legend


def enlarge(values: NDArray[Any], size: Size) -> NDArray[Any]:
    """Enlarge a map, or its colours, to the panel's size, with interpolation."""
    return np.asarray(Pillow.fromarray(values).resize(size, Pillow.Resampling.BILINEAR))


def _discs(
    image: Image,
    places: Sequence[tuple[int, int]],
    map_shape: tuple[int, ...],
    marks: Sequence[tuple[str, Colour]],
) -> Image:
    """Draw a disc with dark text at each y, x of the map; the first disc is on top."""
    height, width = image.shape[:2]
    canvas = Pillow.fromarray(image).resize(
        (width * _FINENESS, height * _FINENESS), Pillow.Resampling.NEAREST
    )
    pen = ImageDraw.Draw(canvas)
    radius = 10 * _FINENESS
    most_x, most_y = canvas.width - radius, canvas.height - radius
    for (y, x), (text, colour) in reversed(list(zip(places, marks, strict=True))):
        # a disc at the border is moved inside, so that its number can be read
        centre_x = np.clip((x + 0.5) / map_shape[1] * width * _FINENESS, radius, most_x)
        centre_y = np.clip((y + 0.5) / map_shape[0] * height * _FINENESS, radius, most_y)
        box = (centre_x - radius, centre_y - radius, centre_x + radius, centre_y + radius)
        pen.ellipse(box, colour, INK, _FINENESS)
        pen.text((centre_x, centre_y), text, INK, font(13 * _FINENESS), anchor="mm")
    return np.array(canvas.resize((width, height), Pillow.Resampling.BOX))

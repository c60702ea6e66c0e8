"""The pictures of the paper, for any picture: what the network says and what is made of it.

Maps of the network are enlarged with smooth edges, classes and masks with hard ones. Everything
is RGB uint8 [H, W, 3], as TensorBoard and image files take it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw

from streamseg.drawing import (
    class_colour,
    draw,
    embedding_colours,
    heat,
    name_colour,
    random_colours,
)
from streamseg.kernels import Scores, decode_scores, group_pixels
from streamseg.panels import Colour, font, panel, panel_size
from streamseg.results import FrameResult, Image, NetworkOutput

SEEDS = 12
SIMILARITIES = 6
COLUMNS = 4
"""Pictures side by side on a sheet: then everything that belongs together stands in one row."""

_DARK = (6, 5, 30)
_INK = (17, 19, 23)
_FINENESS = 4  # discs are drawn so much larger and then reduced: Pillow has no smooth edges


def paper_figures(
    result: FrameResult, output: NetworkOutput, taus: Sequence[float], class_names: Sequence[str]
) -> Mapping[str, Image]:
    """Every picture, titled, by its name, in the order in which a sheet of 4 columns shows them.

    Args:
        result: of the picture.
        output: of the network for it.
        taus: T similarity thresholds of the network.
        class_names: C names.

    Returns:
        Panels of one size: ``picture``, ``masks``, ``embeddings-pca``, ``embeddings-random``,
        ``seeds``, ``seediness``, ``similarity-1`` to ``-6`` (to fewer if the map is tiny), and
        for each threshold ``seediness-tau-0.25`` and ``classes-tau-0.25``.

    Raises:
        InputError: the output holds NaN or infinity.
    """
    scores = decode_scores(output.logits)
    seeds = seed_order(output, scores, taus)
    class_ids = [int(scores.class_id[y, x]) for y, x in seeds]
    seed_classes = [class_names[class_id - 1] for class_id in class_ids]
    seed_colours = [class_colour(class_id) for class_id in class_ids]
    height, width = result.label_map.shape
    size = panel_size(width, height)
    photo = _resize(result.image, size, Pillow.Resampling.LANCZOS)
    names = [(instance.name, name_colour(instance.name)) for instance in result.instances]
    figures = {
        "picture": panel(photo, "Picture", f"{width} x {height} pixels"),
        "masks": panel(
            _resize(draw(result), size, Pillow.Resampling.LANCZOS),
            "Instances",
            f"{len(result.instances)} found; masks do not overlap",
            legend=names,
        ),
        "embeddings-pca": panel(
            _resize(embedding_colours(output.embeddings), size),
            "Embeddings, principal components",
            "red, green, blue: the first three; like colours are alike",
        ),
        "embeddings-random": panel(
            _resize(random_colours(output.embeddings), size),
            "Embeddings, random projection",
            f"three random directions out of {len(output.embeddings)}; like colours are alike",
        ),
        "seeds": panel(
            number_seeds(photo, seeds, scores.seediness.shape, seed_colours),
            "Seeds in picking order",
            "likely pixels, each unlike those before",
            legend=list(dict(zip(seed_classes, seed_colours, strict=True)).items()),
        ),
        "seediness": panel(
            heat(_enlarge(scores.seediness, size)),
            "Seediness",
            "largest probability over classes and thresholds",
            bar="seediness",
        ),
    }
    for number, (y, x) in enumerate(seeds[:SIMILARITIES], start=1):
        tau = taus[scores.tau_index[y, x]]
        figures[f"similarity-{number}"] = panel(
            similarity_picture(output.embeddings, y, x, tau, number, size),
            f"Similarity to seed {number}",
            f"{seed_classes[number - 1]} {scores.seediness[y, x]:.0%}; "
            f"outline: its mask, similarity above {tau:g}",
            bar="similarity",
        )
    chances = [softmax(logits) for logits in output.logits]
    for tau, chance in zip(taus, chances, strict=True):
        figures[f"seediness-tau-{tau:g}"] = panel(
            heat(_enlarge(chance[1:].max(axis=0), size)),
            f"Seediness at tau = {tau:g}",
            "chance that the mask grown here is an object",
            bar="probability",
        )
    for tau, chance in zip(taus, chances, strict=True):
        picture, legend = class_picture(chance, class_names)
        figures[f"classes-tau-{tau:g}"] = panel(
            _resize(picture, size, Pillow.Resampling.NEAREST),
            f"Classes at tau = {tau:g}",
            "likeliest class; the brighter, the likelier",
            legend=legend,
        )
    return figures


def seed_order(
    output: NetworkOutput, scores: Scores, taus: Sequence[float]
) -> list[tuple[int, int]]:
    """The seeds (4) as y, x on the feature map, in picking order.

    As in a stream, no seed lies in the mask of one before, but unlikely pixels are picked too:
    they show what would come next.
    """
    groups = group_pixels(
        output.embeddings,
        scores.seediness,
        scores.tau_index,
        np.asarray(taus, np.float32),
        max_seeds=SEEDS,
        min_seediness=0.0,
        exclude_claimed=True,
    )
    width = scores.seediness.shape[1]
    return [divmod(seed, width) for seed in groups.seed_index[: groups.count].tolist()]


def similarity(embeddings: NDArray[np.float32], y: int, x: int) -> NDArray[np.float32]:
    """Similarity (1) of every pixel to one of them, float32 [h, w], 0..1.

    Args:
        embeddings: float32 [D, h, w].
        y: row of the pixel on the map.
        x: its column.
    """
    distance = np.square(embeddings - embeddings[:, y, x, None, None]).sum(axis=0)
    found: NDArray[np.float32] = 2 / (1 + np.exp(np.minimum(distance, 80)))  # exp(89) overflows
    return found


def similarity_picture(
    embeddings: NDArray[np.float32], y: int, x: int, tau: float, number: int, size: tuple[int, int]
) -> Image:
    """Heat of the similarity to a seed, its mask (3) outlined, the seed marked with a number."""
    values = _enlarge(similarity(embeddings, y, x), size)
    picture = heat(values)
    inside = values >= tau
    edge = np.zeros_like(inside)
    edge[1:] |= inside[1:] != inside[:-1]
    edge[:, 1:] |= inside[:, 1:] != inside[:, :-1]
    picture[edge] = 255
    return _discs(picture, [(y, x)], embeddings.shape[1:], [(str(number), (255, 255, 255))])


def number_seeds(
    photo: Image,
    seeds: Sequence[tuple[int, int]],
    map_shape: tuple[int, ...],
    colours: Sequence[Colour],
) -> Image:
    """Discs at seeds (y, x on a map [h, w]) over the darkened picture; the number is the order."""
    marks = [(str(number), colour) for number, colour in enumerate(colours, start=1)]
    return _discs((photo * 0.5).astype(np.uint8), seeds, map_shape, marks)


def class_picture(
    chance: NDArray[np.float32], class_names: Sequence[str]
) -> tuple[Image, list[tuple[str, Colour]]]:
    """The likeliest class of every pixel as its colour, as bright as it is likely.

    Args:
        chance: float32 [C+1, h, w], probabilities, background first.
        class_names: C names.

    Returns:
        RGB uint8 [h, w, 3], and the names and colours of the classes that reach 20 % anywhere,
        those with most pixels first.
    """
    colours = np.array([class_colour(k + 1) for k in range(len(class_names))], np.float32)
    best = chance[1:].argmax(axis=0)
    likely = chance[1:].max(axis=0)
    picture = _DARK + likely[..., None] * (colours[best] - _DARK)
    pixels = np.bincount(best[likely >= 0.2], minlength=len(class_names))
    order = [k for k in np.argsort(-pixels, kind="stable").tolist() if pixels[k]]
    legend = [(class_names[k], class_colour(k + 1)) for k in order]
    return np.rint(picture).astype(np.uint8), legend


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Class probabilities (6) of one threshold, float32 [C+1, h, w]."""
    exponentials = np.exp(logits - logits.max(axis=0))
    chance: NDArray[np.float32] = exponentials / exponentials.sum(axis=0)
    return chance


def _discs(
    picture: Image,
    places: Sequence[tuple[int, int]],
    map_shape: tuple[int, ...],
    marks: Sequence[tuple[str, Colour]],
) -> Image:
    """Draw a disc with dark text on it at each y, x of the map; the first lies on top."""
    height, width = picture.shape[:2]
    canvas = Pillow.fromarray(picture).resize(
        (width * _FINENESS, height * _FINENESS), Pillow.Resampling.NEAREST
    )
    pen = ImageDraw.Draw(canvas)
    radius = 10 * _FINENESS
    most_x, most_y = canvas.width - radius, canvas.height - radius
    for (y, x), (text, colour) in reversed(list(zip(places, marks, strict=True))):
        # a disc at the rim is moved inside, where its number can be read
        centre_x = np.clip((x + 0.5) / map_shape[1] * width * _FINENESS, radius, most_x)
        centre_y = np.clip((y + 0.5) / map_shape[0] * height * _FINENESS, radius, most_y)
        box = (centre_x - radius, centre_y - radius, centre_x + radius, centre_y + radius)
        pen.ellipse(box, colour, _INK, _FINENESS)
        pen.text((centre_x, centre_y), text, _INK, font(13 * _FINENESS), anchor="mm")
    return np.array(canvas.resize((width, height), Pillow.Resampling.BOX))


def _enlarge(values: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """A map at the panel's size, interpolated."""
    return np.asarray(Pillow.fromarray(values).resize(size, Pillow.Resampling.BILINEAR))


def _resize(
    image: Image, size: tuple[int, int], how: Pillow.Resampling = Pillow.Resampling.BILINEAR
) -> Image:
    return np.asarray(Pillow.fromarray(image).resize(size, how))

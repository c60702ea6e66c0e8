"""Draw the figures of the paper for any image: outputs of the network and results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from streamseg.drawing.false_colours import embedding_colours, heat, random_colours
from streamseg.drawing.network_maps import (
    class_image,
    enlarge,
    number_seeds,
    similarity_image,
)
from streamseg.drawing.overlay import class_colour, draw, name_colour
from streamseg.drawing.panels import Size, panel, panel_size
from streamseg.frame import Image
from streamseg.kernels import Scores, decode_scores, group_pixels
from streamseg.results import FrameResult, NetworkOutput

SEEDS = 12
SIMILARITIES = 6
COLUMNS = 4
"""Panels per row of a sheet, so that related panels are in one row."""


def paper_figures(
    result: FrameResult, output: NetworkOutput, taus: Sequence[float], class_names: Sequence[str]
) -> Mapping[str, Image]:
    """Draw all figures, by name, in the order of a sheet with 4 columns.

    Args:
        result: of the image.
        output: of the network, for the same image.
        taus: T similarity thresholds of the network.
        class_names: C names.

    Returns:
        Panels of one size: ``image``, ``masks``, ``embeddings-pca``, ``embeddings-random``,
        ``seeds``, ``seediness``, ``similarity-1`` to ``-6`` (fewer if the map is tiny), and for
        each threshold ``seediness-tau-0.25`` and ``classes-tau-0.25``.

    Raises:
        InputError: the output has NaN or infinity.
    """
    scores = decode_scores(output.foreground, output.classes)
    height, width = result.label_map.shape
    size = panel_size(width, height)
    return {
        **_overview(result, output, size),
        **_seeds(result.image, output, scores, taus, class_names, size),
        **_thresholds(output.distribution(), taus, class_names, size),
    }


def _overview(result: FrameResult, output: NetworkOutput, size: Size) -> dict[str, Image]:
    height, width = result.label_map.shape
    found = [(instance.name, name_colour(instance.name)) for instance in result.instances]
    return {
        "image": panel(_reduce(result.image, size), "Image", f"{width} x {height} pixels"),
        "masks": panel(
            _reduce(draw(result), size),
            "Instances",
            f"{len(found)} found; masks do not overlap",
            legend=found,
        ),
        "embeddings-pca": panel(
            enlarge(embedding_colours(output.embeddings), size),
            "Embeddings, principal components",
            "red, green, blue: the first three; similar colours are similar embeddings",
        ),
        "embeddings-random": panel(
            enlarge(random_colours(output.embeddings), size),
            "Embeddings, random projection",
            f"three random directions in {len(output.embeddings)} dimensions",
        ),
    }


def _seeds(
    image: Image,
    output: NetworkOutput,
    scores: Scores,
    taus: Sequence[float],
    class_names: Sequence[str],
    size: Size,
) -> dict[str, Image]:
    seeds = seed_order(output, scores, taus)
    class_ids = [int(scores.class_id[y, x]) for y, x in seeds]
    colours = [class_colour(class_id) for class_id in class_ids]
    names = [class_names[class_id - 1] for class_id in class_ids]
    figures = {
        "seeds": panel(
            number_seeds(_reduce(image, size), seeds, scores.seediness.shape, colours),
            "Seeds in picking order",
            "high seediness, and far from the seeds before",
            legend=list(dict(zip(names, colours, strict=True)).items()),
        ),
        "seediness": panel(
            heat(enlarge(scores.seediness, size)),
            "Seediness",
            "largest probability over classes and thresholds",
            bar="seediness",
        ),
    }
    for number, (name, (y, x)) in enumerate(zip(names, seeds, strict=True), start=1):
        if number > SIMILARITIES:
            break
        tau = taus[scores.tau_index[y, x]]
        figures[f"similarity-{number}"] = panel(
            similarity_image(output.embeddings, y, x, tau, number, size),
            f"Similarity to seed {number}",
            f"{name} {scores.seediness[y, x]:.0%}; outline: its mask, similarity above {tau:g}",
            bar="similarity",
        )
    return figures


def _thresholds(
    distribution: NDArray[np.float32], taus: Sequence[float], class_names: Sequence[str], size: Size
) -> dict[str, Image]:
    seediness, classes = {}, {}
    for tau, probabilities in zip(taus, distribution, strict=True):
        seediness[f"seediness-tau-{tau:g}"] = panel(
            heat(enlarge(probabilities[1:].max(axis=0), size)),
            f"Seediness at tau = {tau:g}",
            "probability that the mask grown here is an object",
            bar="probability",
        )
        image, legend = class_image(probabilities, class_names)
        classes[f"classes-tau-{tau:g}"] = panel(
            np.asarray(Pillow.fromarray(image).resize(size, Pillow.Resampling.NEAREST)),
            f"Classes at tau = {tau:g}",
            "most probable class; brighter is more probable",
            legend=legend,
        )
    return {**seediness, **classes}


def seed_order(
    output: NetworkOutput, scores: Scores, taus: Sequence[float]
) -> list[tuple[int, int]]:
    """The seeds (4) as y, x on the feature map, in picking order.

    As in a stream, no seed is inside the mask of an earlier one. Unlike in a stream, pixels of any
    seediness are picked, to show the order below the threshold.
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


def _reduce(photo: Image, size: Size) -> Image:
    """A photograph at the panel's size."""
    return np.asarray(Pillow.fromarray(photo).resize(size, Pillow.Resampling.LANCZOS))

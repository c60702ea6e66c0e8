from __future__ import annotations

import numpy as np
import pytest
from colour_runtime import ColourRuntime

from streamseg.drawing.figures import paper_figures, seed_order
from streamseg.drawing.network_maps import (
    class_image,
    number_seeds,
    similarity,
    similarity_image,
)
from streamseg.drawing.overlay import class_colour, name_colour
from streamseg.drawing.panels import panel_size
from streamseg.frame import Image
from streamseg.kernels import decode_scores
from streamseg.segmenter import Segmenter

NAMES = ("car", "person")
WHITE = (255, 255, 255)


def scene(height: int = 96, width: int = 128) -> Image:
    """A red car on the left and a blue person on the right of grey."""
    image = np.full((height, width, 3), 90, np.uint8)
    image[24:56, 16:48] = (230, 30, 30)
    image[24:56, 72:104] = (30, 30, 230)
    return image


def has_colour(image: Image, colour: tuple[int, int, int]) -> bool:
    return bool((image == colour).all(axis=-1).any())


def test_similarity_is_equation_1() -> None:
    embeddings = np.zeros((2, 1, 3), np.float32)
    embeddings[:, 0, 1] = (1, 1)
    embeddings[:, 0, 2] = (1000, 0)
    found = similarity(embeddings, 0, 0)
    assert found.dtype == np.float32
    assert found[0].tolist() == pytest.approx([1, 2 / (1 + np.exp(2)), 0])


def test_the_mask_of_a_seed_is_outlined_and_the_seed_marked() -> None:
    embeddings = np.zeros((1, 20, 20), np.float32)
    embeddings[0, :, 10:] = 3  # similarity 2 / (1 + e^9)
    image = similarity_image(embeddings, 4, 4, 0.5, 1, (200, 200))
    column = np.nonzero((image[150] == WHITE).all(axis=-1))[0]
    assert len(column) == 1
    assert 95 <= column[0] <= 105
    assert (image[38:53, 38:53] == WHITE).all(axis=-1).any()  # the disc
    assert (image[38:53, 38:53] < 60).all(axis=-1).any()  # and its number
    low = similarity_image(embeddings, 4, 4, 1e-6, 1, (200, 200))
    assert not (low[150] == WHITE).all(axis=-1).any()  # everything is inside


def test_classes_are_as_bright_as_they_are_likely() -> None:
    probabilities = np.zeros((3, 1, 4), np.float32)
    probabilities[:, 0] = np.array([[1, 0, 0], [0, 1, 0], [0.5, 0.1, 0.4], [0, 0, 1]], np.float32).T
    image, legend = class_image(probabilities, NAMES)
    car, person = class_colour(1), class_colour(2)
    assert tuple(image[0, 1]) == car
    assert tuple(image[0, 3]) == person
    assert image[0, 0].max() <= 30
    assert image[0, 0].sum() < image[0, 2].sum() < image[0, 3].sum()
    assert legend == [("person", person), ("car", car)]  # the more frequent first
    probabilities[:, 0, 1] = (0.85, 0.15, 0)
    assert class_image(probabilities, NAMES)[1] == [("person", person)]


def test_seeds_of_a_scene_lie_in_its_objects_first() -> None:
    runtime = ColourRuntime()
    output = runtime.run(scene())
    seeds = seed_order(
        output, decode_scores(output.foreground, output.classes), runtime.config.taus
    )
    assert len(seeds) == 3  # the grey comes last
    assert [6 <= y < 14 and (4 <= x < 12 or 18 <= x < 26) for y, x in seeds] == [True, True, False]


def test_seeds_are_numbered_discs_of_their_class_moved_inside_at_the_rim() -> None:
    photo = np.full((100, 200, 3), 200, np.uint8)
    red, green = (250, 0, 0), (0, 250, 0)
    image = number_seeds(photo, [(5, 10), (0, 0)], (10, 20), [red, green])
    assert tuple(image[90, 190]) == (100, 100, 100)
    for colour, x, y in ((red, 105, 55), (green, 10, 10)):
        rows, columns = np.nonzero((image == colour).all(axis=-1))
        assert abs((rows.min() + rows.max()) / 2 - y) <= 1
        assert abs((columns.min() + columns.max()) / 2 - x) <= 1
    assert (photo == 200).all()


@pytest.mark.parametrize(("height", "width"), [(96, 128), (160, 128)])
def test_all_figures_have_a_name_and_one_size(height: int, width: int) -> None:
    runtime = ColourRuntime()
    image = scene(height, width)
    result = Segmenter(runtime, size=(width, height))(image)
    figures = paper_figures(result, runtime.run(image), runtime.config.taus, NAMES)
    assert list(figures) == [
        "image", "masks", "embeddings-pca", "embeddings-random",
        "seeds", "seediness", "similarity-1", "similarity-2", "similarity-3",
        "seediness-tau-0.25", "seediness-tau-0.5", "seediness-tau-0.75", "seediness-tau-0.9",
        "classes-tau-0.25", "classes-tau-0.5", "classes-tau-0.75", "classes-tau-0.9",
    ]  # fmt: skip
    assert len({figure.shape for figure in figures.values()}) == 1
    panel_width, panel_height = panel_size(width, height)
    shape = figures["image"].shape
    assert shape[0] > panel_height
    assert shape[1] >= panel_width
    assert has_colour(figures["seeds"], class_colour(1))  # explained below the image
    assert has_colour(figures["masks"], name_colour(result.instances[0].name))
    assert has_colour(figures["classes-tau-0.5"], class_colour(2))
    # the second threshold has the highest score
    assert (
        figures["seediness-tau-0.5"].astype(int).sum()
        > figures["seediness-tau-0.25"].astype(int).sum()
    )

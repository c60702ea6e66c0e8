from __future__ import annotations

import numpy as np
import pytest

from streamseg.drawing.false_colours import heat
from streamseg.drawing.panels import panel, panel_size

GREEN, BLUE = (0, 200, 0), (0, 0, 200)


def has_colour(image: np.ndarray, colour: tuple[int, int, int]) -> bool:
    return bool((image == colour).all(axis=-1).any())


@pytest.mark.parametrize(
    ("width", "height", "size"),
    [(1280, 720, (640, 360)), (30, 60, (320, 640)), (1, 5000, (1, 640))],
)
def test_the_longer_side_is_the_same_in_all_panels(
    width: int, height: int, size: tuple[int, int]
) -> None:
    assert panel_size(width, height) == size


@pytest.mark.parametrize("width", [120, 640])
def test_the_image_stands_in_the_middle_between_heading_and_footer(width: int) -> None:
    image = np.full((100, width, 3), GREEN, np.uint8)
    out = panel(image, "Title", "a note")
    rows, columns = np.nonzero((out == GREEN).all(axis=-1))
    assert np.ptp(rows) + 1 == 100
    assert np.ptp(columns) + 1 == width
    assert columns.min() == (out.shape[1] - width) // 2
    assert out.shape[1] >= 480
    assert rows.min() > 0
    assert rows.max() < out.shape[0] - 1


def test_panels_of_one_image_have_one_size_whatever_they_explain() -> None:
    image = np.zeros((50, 640, 3), np.uint8)
    legend = [("car", GREEN)]
    shapes = {
        panel(image, "a", "b").shape,
        panel(image, "a", "b", bar="similarity").shape,
        panel(image, "a", "b", legend=legend).shape,
    }
    assert len(shapes) == 1


def test_title_and_note_are_legible() -> None:
    image = np.zeros((50, 640, 3), np.uint8)
    empty = panel(image, "", "")
    titled, noted = panel(image, "Title", ""), panel(image, "", "note")
    assert (titled.max(axis=-1) > 200).sum() > 50
    assert (noted != empty).any(axis=-1).sum() > 50
    changed = [np.nonzero((made != empty).any(axis=(1, 2)))[0] for made in (titled, noted)]
    assert changed[0].max() < changed[1].min()  # the lines do not touch


def test_the_colour_bar_runs_from_0_to_1() -> None:
    image = np.zeros((50, 640, 3), np.uint8)
    footer = panel(image, "a", "b", bar="similarity")[-54:]
    for value in (0, 0.5, 1):
        colour = heat(np.full((1, 1), value, np.float32))[0, 0]
        distance = np.abs(footer.astype(int) - colour).max(axis=-1)
        assert distance.min() <= 3
    bright = np.nonzero((footer == heat(np.ones((1, 1), np.float32))[0, 0]).all(axis=-1))[1]
    dark = np.nonzero((footer == heat(np.zeros((1, 1), np.float32))[0, 0]).all(axis=-1))[1]
    assert dark.max() < bright.min()


def test_a_legend_shows_as_many_entries_as_fit() -> None:
    image = np.zeros((50, 640, 3), np.uint8)
    entries = [("car", GREEN), *[("a very long name " * 3, (9, 9, i)) for i in range(5)]]
    out = panel(image, "a", "b", legend=[*entries, ("person", BLUE)])
    assert has_colour(out, GREEN)
    assert not has_colour(out, BLUE)
    assert has_colour(panel(image, "a", "b", legend=[("car", GREEN), ("person", BLUE)]), BLUE)

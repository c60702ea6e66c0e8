import importlib
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from streamseg.errors import InputError
from streamseg.kernels import Labels, label_pixels

TAUS = np.array([0.25, 0.5, 0.75, 0.9], np.float32).tolist()


def line_between(map_size: int, frame_size: int, line: int) -> list[tuple[int, float]]:
    """Map lines and their weights at one frame line."""
    position = min(max((line + 0.5) * map_size / frame_size - 0.5, 0), map_size - 1)
    low = math.floor(position)
    high = min(low + 1, map_size - 1)
    return [(low, 1 - (position - low)), (high, position - low)]


def margins_at(
    y: int,
    x: int,
    embeddings: np.ndarray,
    seeds: np.ndarray,
    taus: np.ndarray,
    size: tuple[int, int],
) -> tuple[list[float], float]:
    """Interpolated margin of every seed, and of any seed, at one frame pixel."""
    _, map_height, map_width = embeddings.shape
    rows = line_between(map_height, size[0], y)
    columns = line_between(map_width, size[1], x)

    def margin(seed: int, tau: float, row: int, column: int) -> float:
        centre = embeddings[:, seed // map_width, seed % map_width].astype(np.float64)
        radius = math.log(2 / tau - 1)
        return max(radius - float(((embeddings[:, row, column] - centre) ** 2).sum()), -radius)

    margins, anything = [0.0] * len(seeds), 0.0
    for row, down in rows:
        for column, along in columns:
            here = [margin(s, t, row, column) for s, t in zip(seeds, taus, strict=True)]
            margins = [m + down * along * h for m, h in zip(margins, here, strict=True)]
            anything += down * along * max(here)
    return margins, anything


@st.composite
def scenes(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray, int, int]:
    map_height, map_width = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    count = draw(st.integers(0, 5))
    elements = st.floats(-2, 2, width=32)
    embeddings = draw(arrays(np.float32, (2, map_height, map_width), elements=elements))
    pixels = st.integers(0, map_height * map_width - 1)
    seeds = draw(arrays(np.int32, count, elements=pixels))
    taus = draw(arrays(np.float32, count, elements=st.sampled_from(TAUS)))
    return embeddings, seeds, taus, draw(st.integers(1, 13)), draw(st.integers(1, 13))


@settings(deadline=None, max_examples=80)
@given(scenes())
def test_the_largest_interpolated_margin_wins_where_there_is_any_object(
    scene: tuple[np.ndarray, np.ndarray, np.ndarray, int, int],
) -> None:
    embeddings, seeds, taus, height, width = scene
    labels = label_pixels(embeddings, seeds, taus, height=height, width=width)
    assert labels.label_map.shape == (height, width)
    for y, x in np.ndindex(height, width) if len(seeds) else ():
        margins, anything = margins_at(y, x, embeddings, seeds, taus, (height, width))
        won = int(labels.label_map[y, x]) - 1
        if abs(anything) > 1e-5:
            assert (won >= 0) == (anything > 0)
        if won >= 0:
            assert margins[won] >= max(margins) - 1e-5
            first = margins.index(max(margins))
            clear = margins[first] - max([*margins[:first], *margins[first + 1 :], -9]) > 1e-5
            assert won == first or not clear


@settings(deadline=None)
@given(scenes())
def test_areas_and_boxes_are_those_of_the_map(
    scene: tuple[np.ndarray, np.ndarray, np.ndarray, int, int],
) -> None:
    embeddings, seeds, taus, height, width = scene
    labels = label_pixels(embeddings, seeds, taus, height=height, width=width)
    assert labels.area_px.shape == (len(seeds),)
    assert labels.box.shape == (len(seeds), 4)
    for k in range(len(seeds)):
        y, x = np.nonzero(labels.label_map == k + 1)
        assert labels.area_px[k] == len(y)
        box = [x.min(), y.min(), x.max() + 1, y.max() + 1] if len(y) else [0, 0, 0, 0]
        assert labels.box[k].tolist() == box


def label(**changes: Any) -> Labels:
    """Two flat halves, 0 and 9, a seed in each."""
    arguments: dict[str, Any] = {
        "embeddings": np.array([[[0, 0, 9, 9]]], np.float32),
        "seed_index": np.array([0, 3], np.int32),
        "seed_tau": np.array([0.5, 0.5], np.float32),
        "height": 2,
        "width": 16,
    }
    labels: Labels = label_pixels(**(arguments | changes))
    return labels


def test_dtypes_and_a_case_worked_by_hand() -> None:
    labels = label()
    assert labels.label_map.dtype == np.uint16
    assert labels.area_px.dtype == np.int64
    assert labels.box.dtype == np.int64
    # between the map columns 1 and 2, whose centres are the frame columns 5.5 and 9.5, d2 jumps
    # to 81, so the margin falls from r = ln 3 to its least, -r: it is 0 halfway, at column 7.5
    assert labels.label_map.tolist() == 2 * [[1] * 8 + [2] * 8]
    assert labels.area_px.tolist() == [16, 16]
    assert labels.box.tolist() == [[0, 0, 8, 2], [8, 0, 16, 2]]


def test_between_two_instances_lies_the_background_that_is_there() -> None:
    # the middle column, 3, is like neither half: each loses it from halfway on
    embeddings = np.array([[[0, 3, 9]]], np.float32)
    labels = label(embeddings=embeddings, seed_index=np.array([0, 2], np.int32), width=12)
    assert labels.label_map.tolist() == 2 * [[1] * 4 + [0] * 4 + [2] * 4]


def test_no_seam_of_background_parts_instances_that_touch() -> None:
    # neither half is quite like its seed: alone, each would end before the middle
    embeddings = np.array([[[0, 0.7, 9.7, 9]]], np.float32)
    labels = label(embeddings=embeddings, width=64)
    assert labels.label_map.tolist() == 2 * [[1] * 32 + [2] * 32]


def test_equal_margins_go_to_the_lowest_label() -> None:
    twice = label(seed_index=np.array([3, 0, 1], np.int32), seed_tau=np.full(3, 0.5, np.float32))
    assert twice.label_map.tolist() == 2 * [[2] * 8 + [1] * 8]
    assert twice.area_px.tolist() == [16, 16, 0]
    assert twice.box[2].tolist() == [0, 0, 0, 0]


def test_a_frame_of_the_map_s_size_keeps_the_map() -> None:
    assert label(height=1, width=4).label_map.tolist() == [[1, 1, 2, 2]]


def test_no_seed_gives_an_empty_map() -> None:
    labels = label(seed_index=np.zeros(0, np.int32), seed_tau=np.zeros(0, np.float32))
    assert not labels.label_map.any()
    assert (labels.area_px.shape, labels.box.shape) == ((0,), (0, 4))


def test_more_labels_than_fit_a_byte() -> None:
    pixels = np.arange(300, dtype=np.float32).reshape(1, 15, 20) * 10
    labels = label_pixels(
        pixels,
        np.arange(300, dtype=np.int32),
        np.full(300, 0.5, np.float32),
        height=15,
        width=20,
    )
    assert labels.label_map.ravel().tolist() == list(range(1, 301))


def test_many_batches_of_contested_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    arguments: dict[str, Any] = {
        "embeddings": rng.normal(0, 0.5, (2, 9, 11)).astype(np.float32),
        "seed_index": rng.choice(99, 12, replace=False).astype(np.int32),
        "seed_tau": np.full(12, 0.5, np.float32),
        "height": 40,
        "width": 50,
    }
    at_once = label_pixels(**arguments)
    reference = importlib.import_module("streamseg.kernels.label_pixels.reference")
    monkeypatch.setattr(reference, "_PIXELS_AT_ONCE", 1)
    np.testing.assert_array_equal(label_pixels(**arguments).label_map, at_once.label_map)


def test_memory_layout_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    embeddings = np.moveaxis(rng.normal(size=(12, 9, 3)).astype(np.float32), -1, 0)[:, ::2]
    seeds, taus = np.array([4, 50, 9], np.int32), np.array([0.25, 0.5, 0.25], np.float32)
    ours = label_pixels(embeddings, seeds[::-1], taus[::-1], height=20, width=31)
    theirs = label_pixels(
        embeddings.copy("C"), seeds[::-1].copy(), taus[::-1].copy(), height=20, width=31
    )
    np.testing.assert_array_equal(ours.label_map, theirs.label_map)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30])
def test_embeddings_out_of_range_are_refused(bad: float) -> None:
    with pytest.raises(InputError, match="embeddings must be finite with a squared norm"):
        label(embeddings=np.array([[[0, 0, 9, bad]]], np.float32))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"embeddings": np.zeros((1, 1, 4))}, "embeddings must be .* got float64"),
        ({"embeddings": np.zeros((1, 4), np.float32)}, r"float32 \[D, h, w\]"),
        ({"embeddings": np.zeros((1, 0, 4), np.float32)}, "not empty"),
        ({"seed_index": np.array([0, 3])}, r"seed_index must be .*int32 \[K\], got int64"),
        ({"seed_index": np.array([0, 4], np.int32)}, r"seed_index must lie in 0..3, got 0..4"),
        ({"seed_index": np.array([0, -1], np.int32)}, r"seed_index must lie in 0..3, got -1..0"),
        ({"seed_index": np.array([0], np.int32)}, r"seed_tau must be .*\[1\], got float32 \[2\]"),
        ({"seed_tau": np.array([0.5, 1.0], np.float32)}, "seed_tau must lie between 0 and 1"),
        ({"seed_tau": np.array([0.5, np.nan], np.float32)}, "seed_tau must lie between 0 and 1"),
        ({"height": 0}, "height must be a whole number at least 1, got 0"),
        ({"width": 16.0}, "width must be a whole number"),
        ({"width": True}, "width must be a whole number"),
    ],
)
def test_wrong_arguments_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        label(**changes)

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy.special import expit

from streamseg.errors import InputError
from streamseg.kernels import decode_scores
from streamseg.results import NetworkOutput

Maps = tuple[NDArray[np.float32], NDArray[np.float32]]


@st.composite
def maps(
    draw: st.DrawFn, logits: st.SearchStrategy[float], chances: st.SearchStrategy[float]
) -> Maps:
    """Foreground and classes of any size that fit each other."""
    thresholds, classes, height, width = (draw(st.integers(1, 5)) for _ in range(4))
    coarse = (height + 1) // 2, (width + 1) // 2
    return (
        draw(arrays(np.float32, (thresholds, height, width), elements=logits)),
        draw(arrays(np.float32, (classes, *coarse), elements=chances)),
    )


@settings(deadline=None)
@given(maps(st.floats(-50, 50, width=32), st.floats(0, 1, width=32)))
def test_seediness_is_the_largest_foreground_probability(output: Maps) -> None:
    foreground, classes = output
    scores = decode_scores(foreground, classes)
    y, x = np.indices(foreground.shape[1:])
    of_class = classes.astype(np.float64)[:, y // 2, x // 2]
    probability = expit(foreground.astype(np.float64))[:, None] * of_class
    largest = probability.max(axis=(0, 1))
    found = probability[scores.tau_index, scores.class_id - 1, y, x]
    np.testing.assert_allclose(scores.seediness, largest, rtol=1e-5, atol=1e-30)
    np.testing.assert_allclose(found, largest, rtol=1e-5)


@settings(deadline=None)
@given(maps(st.floats(-50, 50, width=32), st.floats(0, 0.125, width=32)))
def test_seediness_is_the_maximum_of_the_networks_distribution(output: Maps) -> None:
    said = NetworkOutput(np.zeros((1, *output[0].shape[1:]), np.float32), *output)
    largest = said.distribution()[:, 1:].max(axis=(0, 1))
    np.testing.assert_allclose(decode_scores(*output).seediness, largest, rtol=1e-6, atol=1e-30)


@settings(deadline=None)
@given(maps(st.sampled_from([0.0, 1.0]), st.sampled_from([0.0, 0.5])))
def test_ties_go_to_the_lowest_threshold_then_the_lowest_class(output: Maps) -> None:
    foreground, classes = output
    scores = decode_scores(*output)
    for y, x in np.ndindex(foreground.shape[1:]):
        logits, chances = foreground[:, y, x].tolist(), classes[:, y // 2, x // 2].tolist()
        assert scores.tau_index[y, x] == logits.index(max(logits))
        assert scores.class_id[y, x] == chances.index(max(chances)) + 1


def test_dtypes_and_shapes() -> None:
    scores = decode_scores(np.zeros((4, 3, 5), np.float32), np.full((20, 2, 3), 0.05, np.float32))
    for array, dtype in (
        (scores.seediness, np.float32),
        (scores.tau_index, np.uint8),
        (scores.class_id, np.uint16),
    ):
        assert array.dtype == dtype
        assert array.shape == (3, 5)
    np.testing.assert_allclose(scores.seediness, 1 / 40, rtol=1e-6)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 4), (5, 1), (3, 4), (4, 3), (5, 7)])
def test_four_neighbours_share_a_class_and_the_last_of_an_odd_map_have_one(
    height: int, width: int
) -> None:
    rows, columns = (height + 1) // 2, (width + 1) // 2
    cells = np.eye(rows * columns, dtype=np.float32).reshape(-1, rows, columns)
    scores = decode_scores(np.full((1, height, width), 9, np.float32), cells)
    expected = [[y // 2 * columns + x // 2 + 1 for x in range(width)] for y in range(height)]
    assert scores.class_id.tolist() == expected


@pytest.mark.parametrize("largest", [1e4, np.finfo(np.float32).max])
def test_extreme_foreground_neither_overflows_nor_warns(largest: float) -> None:
    foreground = np.array([[[-largest, largest]]], np.float32)
    assert decode_scores(foreground, np.ones((1, 1, 1), np.float32)).seediness.tolist() == [[0, 1]]


def test_the_most_thresholds_and_classes() -> None:
    foreground, classes = np.zeros((255, 1, 1), np.float32), np.zeros((65535, 1, 1), np.float32)
    foreground[-1] = classes[-1] = 1
    scores = decode_scores(foreground, classes)
    assert (scores.tau_index.item(), scores.class_id.item()) == (254, 65535)


def test_memory_layout_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    foreground = rng.normal(size=(7, 3, 6)).astype(np.float32).transpose(2, 0, 1)[::2, :, ::-1]
    classes = rng.random((4, 2, 10)).astype(np.float32).transpose(2, 0, 1)[::-3]
    ours = decode_scores(foreground, classes)
    theirs = decode_scores(foreground.copy("C"), classes.copy("C"))
    np.testing.assert_array_equal(ours.seediness, theirs.seediness)
    np.testing.assert_array_equal(ours.tau_index, theirs.tau_index)
    np.testing.assert_array_equal(ours.class_id, theirs.class_id)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["foreground", "classes"])
def test_not_finite_is_refused(bad: float, name: str) -> None:
    output = {
        "foreground": np.zeros((3, 2, 2), np.float32),
        "classes": np.zeros((12, 1, 1), np.float32),
    }
    output[name].flat[5] = bad
    with pytest.raises(InputError, match=rf"{name} must be finite, got 1 .* of 12"):
        decode_scores(output["foreground"], output["classes"])


F, Q = np.zeros((2, 3, 4), np.float32), np.zeros((5, 2, 2), np.float32)


@pytest.mark.parametrize(
    ("foreground", "classes", "message"),
    [
        (F[0], Q, r"foreground must be .*float32 \[T, h, w\].*got float32 \[3, 4\]"),
        (F, Q[0], r"float32 \[C, ceil\(h/2\), ceil\(w/2\)\].*got float32 \[2, 2\]"),
        (F.astype(np.float64), Q, "foreground .* got float64"),
        (F, Q.astype(np.float16), "classes .* got float16"),
        (F[:, :, :0], Q, "foreground .* not empty"),
        (F, Q[:0], "classes .* not empty"),
        ([[[1.0]]], Q, "foreground .* got list"),
        (F, [[[1.0]]], "classes .* got list"),
        (F, np.zeros((65536, 2, 2), np.float32), "1..65535 classes, got 2 and 65536"),
        (np.zeros((256, 3, 4), np.float32), Q, "1..255 thresholds .* got 256 and 5"),
    ],
)
def test_wrong_shapes_and_dtypes_are_refused(foreground: Any, classes: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        decode_scores(foreground, classes)


@pytest.mark.parametrize("size", [(1, 2), (2, 1), (3, 2), (3, 4), (4, 4)])
def test_maps_that_do_not_fit_each_other_are_refused(size: tuple[int, int]) -> None:
    message = r"classes must be a map of \(2, 2\) for a foreground of \(3, 4\), got "
    with pytest.raises(InputError, match=message):
        decode_scores(F, np.zeros((5, *size), np.float32))

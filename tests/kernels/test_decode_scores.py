import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.special import softmax

from streamseg.errors import InputError
from streamseg.kernels import decode_scores

SHAPES = array_shapes(min_dims=4, max_dims=4, max_side=5).map(lambda s: (s[0], s[1] + 1, *s[2:]))


@settings(deadline=None)
@given(arrays(np.float32, SHAPES, elements=st.floats(-50, 50, width=32)))
def test_seediness_is_the_largest_foreground_probability(logits: np.ndarray) -> None:
    scores = decode_scores(logits)
    probability = softmax(logits.astype(np.float64), axis=1)[:, 1:]
    y, x = np.indices(logits.shape[2:])
    largest = probability.max(axis=(0, 1))
    found = probability[scores.tau_index, scores.class_id - 1, y, x]
    np.testing.assert_allclose(scores.seediness, largest, rtol=1e-5, atol=1e-30)
    np.testing.assert_allclose(found, largest, rtol=1e-5)


@settings(deadline=None)
@given(arrays(np.float32, SHAPES, elements=st.sampled_from([0.0, 1.0])))
def test_ties_go_to_the_lowest_threshold_then_the_lowest_class(logits: np.ndarray) -> None:
    scores = decode_scores(logits)
    for y, x in np.ndindex(logits.shape[2:]):
        # equal classes give equal sums whatever their order, so these ties are exact
        ranked = []
        for tau, values in enumerate(logits[:, :, y, x].tolist()):
            total = sum(sorted(math.exp(value) for value in values))
            ranked += [(-math.exp(v) / total, tau, c) for c, v in enumerate(values) if c > 0]
        _, tau, class_id = min(ranked)
        assert (scores.tau_index[y, x], scores.class_id[y, x]) == (tau, class_id)


def test_dtypes_and_shapes() -> None:
    scores = decode_scores(np.zeros((4, 21, 3, 5), np.float32))
    for array, dtype in (
        (scores.seediness, np.float32),
        (scores.tau_index, np.uint8),
        (scores.class_id, np.uint8),
    ):
        assert array.dtype == dtype
        assert array.shape == (3, 5)
    np.testing.assert_allclose(scores.seediness, 1 / 21, rtol=1e-6)


def test_extreme_logits_neither_overflow_nor_warn() -> None:
    largest = np.finfo(np.float32).max
    logits = np.array([[largest, -largest], [-largest, largest]], np.float32).reshape(1, 2, 1, 2)
    assert decode_scores(logits).seediness.tolist() == [[0.0, 1.0]]


def test_the_most_thresholds_and_classes() -> None:
    logits = np.zeros((255, 256, 1, 1), np.float32)
    logits[254, 255] = 1
    scores = decode_scores(logits)
    assert (scores.tau_index.item(), scores.class_id.item()) == (254, 255)


def test_memory_layout_does_not_matter() -> None:
    logits = np.random.default_rng(0).normal(size=(6, 4, 7, 3)).astype(np.float32)
    strided = np.moveaxis(logits, 1, -1).copy()
    strided = np.moveaxis(strided, -1, 1)[::2, :, ::-1]
    ours, theirs = decode_scores(strided), decode_scores(strided.copy())
    np.testing.assert_array_equal(ours.seediness, theirs.seediness)
    np.testing.assert_array_equal(ours.tau_index, theirs.tau_index)
    np.testing.assert_array_equal(ours.class_id, theirs.class_id)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("channel", [0, 1])
def test_not_finite_is_refused(bad: float, channel: int) -> None:
    logits = np.zeros((1, 3, 2, 2), np.float32)
    logits[0, channel, 1, 1] = bad
    with pytest.raises(InputError, match=r"logits must be finite, got 1 .* of 12"):
        decode_scores(logits)


@pytest.mark.parametrize(
    ("logits", "message"),
    [
        (np.zeros((3, 4, 5), np.float32), r"float32 \[T, C\+1, h, w\].*got float32 \[3, 4, 5\]"),
        (np.zeros((1, 2, 3, 4)), "got float64"),
        (np.zeros((1, 2, 3, 0), np.float32), "not empty"),
        ([[[[1.0]]]], "got list"),
        (np.zeros((1, 1, 3, 4), np.float32), "2..256 classes"),
        (np.zeros((1, 257, 3, 4), np.float32), "2..256 classes"),
        (np.zeros((256, 2, 3, 4), np.float32), "1..255 thresholds"),
    ],
)
def test_wrong_shapes_and_dtypes_are_refused(logits: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        decode_scores(logits)

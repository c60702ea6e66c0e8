"""HOTA, IDF1 and sMOTSA of scenes small enough to be scored by hand."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.tracking_scenes.scores import FrameOverlap, overlap, score_clips
from streamseg.errors import InputError

pytest.importorskip("trackers")


def clip(*frames: dict[int, int]) -> list[FrameOverlap]:
    """Frames as true track → identity found with a perfect mask; 0 missed."""
    overlaps = []
    for frame in frames:
        truth = np.array(list(frame), np.int64)
        found = np.array([identity for identity in frame.values() if identity], np.int64)
        hits = np.array(list(frame.values()))[:, None] == found
        overlaps.append(FrameOverlap(truth, found, hits.astype(np.float64)))
    return overlaps


def test_a_perfect_clip_scores_one() -> None:
    scores = score_clips([clip({1: 7, 2: 9}, {1: 7, 2: 9}, {2: 9})])
    assert (scores.hota, scores.idf1, scores.smotsa, scores.switches) == (1, 1, 1, 0)


def test_a_change_of_identity_half_way_costs() -> None:
    scores = score_clips([clip({1: 7}, {1: 7}, {1: 8}, {1: 8})])
    assert scores.switches == 1
    assert scores.idf1 == 0.5
    assert scores.smotsa == 0.75
    assert scores.hota == pytest.approx(0.5**0.5)


def test_a_missed_mask_is_no_change_of_identity() -> None:
    scores = score_clips([clip({1: 7}, {1: 0}, {1: 7})])
    assert scores.switches == 0
    assert scores.smotsa == pytest.approx(2 / 3)
    assert scores.idf1 == pytest.approx(4 / 5)


def test_a_clip_without_any_mask_scores_nothing() -> None:
    nobody = np.zeros(0, np.int64)
    empty = [FrameOverlap(nobody, nobody, np.zeros((0, 0)))]
    nothing = score_clips([empty])
    assert (nothing.hota, nothing.idf1, nothing.smotsa) == (0, 0, 0)
    assert score_clips([clip({1: 7}), empty]).to_json() == {
        "hota": 1.0,
        "idf1": 1.0,
        "smotsa": 1.0,
        "switches": 0,
        "true_masks": 1,
        "found_masks": 1,
    }


def test_masks_are_compared_by_their_pixels() -> None:
    truth = np.zeros((4, 6), np.uint16)
    truth[:2], truth[2:, :2] = 1, 3
    labels = np.zeros((4, 6), np.uint16)
    labels[:, 0], labels[1, 1:] = 1, 2
    frame = overlap(truth, labels, [11, 12])
    assert frame.truth.tolist() == [1, 3]
    assert frame.found.tolist() == [11, 12]
    np.testing.assert_allclose(frame.iou, [[2 / 14, 5 / 12], [2 / 6, 0]])


def test_one_track_has_one_mask_in_a_frame() -> None:
    labels = np.array([[1, 2]], np.uint16)
    with pytest.raises(InputError, match="one mask in a frame"):
        overlap(labels, labels, [5, 5])

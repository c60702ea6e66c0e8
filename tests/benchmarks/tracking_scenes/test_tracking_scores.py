"""HOTA, IDF1 and sMOTSA against trackeval where it is installed, and by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.tracking_scenes.scores import (
    FrameOverlap,
    TrackingScores,
    overlap,
    score_tracking,
    total,
)
from streamseg.errors import InputError


def random_clip(seed: int) -> list[FrameOverlap]:
    """Tracks that come and go, are missed, mistaken for each other, and invented."""
    rng = np.random.default_rng(seed)
    identity = rng.permutation(40)
    frames = []
    for _ in range(int(rng.integers(1, 30))):
        truth = np.flatnonzero(rng.random(6) < 0.7) + 1
        if rng.random() < 0.1:
            truth = truth[:0]
        kept = truth[rng.random(len(truth)) < 0.8]
        if rng.random() < 0.2:
            identity[1:7] = rng.permutation(40)[:6]
        invented = np.arange(50, 50 + rng.integers(0, 3))
        found = np.concatenate([identity[kept], invented])
        iou = rng.random((len(truth), len(found))) * 0.3
        for column, track in enumerate(kept):
            iou[truth == track, column] = rng.choice([0.5, rng.random()])
        frames.append(FrameOverlap(truth, found.astype(np.int64), iou))
    return frames


def trackeval_data(frames: list[FrameOverlap]) -> dict[str, Any]:
    truths = np.unique(np.concatenate([frame.truth for frame in frames]))
    found = np.unique(np.concatenate([frame.found for frame in frames]))
    return {
        "num_timesteps": len(frames),
        "num_gt_ids": len(truths),
        "num_tracker_ids": len(found),
        "num_gt_dets": sum(len(frame.truth) for frame in frames),
        "num_tracker_dets": sum(len(frame.found) for frame in frames),
        "gt_ids": [np.searchsorted(truths, frame.truth) for frame in frames],
        "tracker_ids": [np.searchsorted(found, frame.found) for frame in frames],
        "similarity_scores": [frame.iou for frame in frames],
    }


def test_scores_are_those_of_trackeval() -> None:
    metrics = pytest.importorskip("trackeval.metrics", exc_type=ImportError)
    clips = {str(seed): random_clip(seed) for seed in range(30)}
    quiet = {"PRINT_CONFIG": False}
    expected: dict[str, dict[str, Any]] = {}
    for metric in (metrics.HOTA(), metrics.Identity(quiet), metrics.CLEAR(quiet)):
        by_clip = {
            name: metric.eval_sequence(trackeval_data(frames)) for name, frames in clips.items()
        }
        for name, values in (*by_clip.items(), ("all", metric.combine_sequences(by_clip))):
            expected.setdefault(name, {}).update(values)

    ours = {name: score_tracking(frames) for name, frames in clips.items()}
    ours["all"] = total(list(ours.values()))
    for name, scores in ours.items():
        values = expected[name]
        assert scores.hota == pytest.approx(values["HOTA"].mean()), name
        assert scores.idf1 == pytest.approx(values["IDF1"]), name
        assert scores.smotsa == pytest.approx(values["sMOTA"]), name
        assert scores.switches == values["IDSW"], name


def clip(*frames: dict[int, int]) -> TrackingScores:
    """Frames as true track → identity found with a perfect mask; 0 missed."""
    overlaps = []
    for frame in frames:
        truth = np.array(list(frame), np.int64)
        found = np.array([identity for identity in frame.values() if identity], np.int64)
        hits = np.array(list(frame.values()))[:, None] == found
        overlaps.append(FrameOverlap(truth, found, hits.astype(np.float64)))
    return score_tracking(overlaps)


def test_a_perfect_clip_scores_one() -> None:
    scores = clip({1: 7, 2: 9}, {1: 7, 2: 9}, {2: 9})
    assert (scores.hota, scores.idf1, scores.smotsa, scores.switches) == (1, 1, 1, 0)


def test_a_change_of_identity_half_way_costs() -> None:
    scores = clip({1: 7}, {1: 7}, {1: 8}, {1: 8})
    assert scores.switches == 1
    assert scores.idf1 == 0.5
    assert scores.smotsa == 0.75
    assert scores.hota == pytest.approx(0.5**0.5)


def test_a_missed_mask_is_no_change_of_identity() -> None:
    scores = clip({1: 7}, {1: 0}, {1: 7})
    assert scores.switches == 0
    assert scores.smotsa == pytest.approx(2 / 3)
    assert scores.idf1 == pytest.approx(4 / 5)


def test_a_clip_without_any_mask_scores_nothing() -> None:
    nobody = np.zeros(0, np.int64)
    nothing = score_tracking([FrameOverlap(nobody, nobody, np.zeros((0, 0)))])
    assert (nothing.hota, nothing.idf1, nothing.smotsa) == (0, 0, 0)
    assert (clip({1: 7}) + nothing).to_json() == {
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

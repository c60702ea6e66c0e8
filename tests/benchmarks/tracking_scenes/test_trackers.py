from __future__ import annotations

import importlib.util
import sys
import warnings

import numpy as np
import pytest

from benchmarks.tracking_scenes.trackers import (
    Follow,
    byte_track,
    compared_trackers,
    confirmed,
    mask_overlap_tracker,
    our_tracker,
)
from streamseg.errors import MissingExtraError
from streamseg.results import Segments


def squares(*corners: tuple[int, int], score: float = 0.9) -> Segments:
    """Squares of 10 px at x, y."""
    label_map = np.zeros((60, 80), np.uint16)
    for k, (x, y) in enumerate(corners, start=1):
        label_map[y : y + 10, x : x + 10] = k
    count = len(corners)
    corner = np.array(corners, np.int64).reshape(-1, 2)
    return Segments(
        label_map=label_map,
        class_id=np.ones(count, np.int64),
        score=np.full(count, score, np.float32),
        box=np.concatenate([corner, corner + 10], axis=1),
        area_px=np.full(count, 100),
        seed_yx=corner[:, ::-1] + 5,
        tau=np.full(count, 0.5, np.float32),
        embedding=np.zeros((count, 4), np.float32),
    )


def test_overlap_alone_follows_what_overlaps_and_no_more() -> None:
    follow = mask_overlap_tracker()
    assert follow(squares((0, 0), (40, 0)), 0.0) == [1, 2]
    assert follow(squares((43, 0), (3, 0)), 0.04) == [2, 1]
    assert follow(squares((25, 0)), 0.08) == [3]
    assert follow(squares((5, 0)), 0.12) == [1]
    assert follow(squares(), 3.0) == []
    assert follow(squares((5, 0)), 3.04) == [4]


def test_a_track_is_confirmed_by_a_second_sight_and_a_good_score() -> None:
    follow = confirmed(mask_overlap_tracker())
    assert follow(squares((0, 0), score=0.6), 0.0) == [-1]
    assert follow(squares((0, 0), score=0.6), 0.04) == [-1]
    assert follow(squares((0, 0), (40, 0)), 0.08) == [1, -1]
    assert follow(squares((0, 0), (40, 0), score=0.6), 0.12) == [1, 2]


def test_ours_leaves_out_what_is_not_confirmed_unless_every_mask_is_asked_for() -> None:
    ours, all_of_ours = our_tracker(("car",)), our_tracker(("car",), every_mask=True)
    doubtful = squares((0, 0), score=0.6)
    assert ours(doubtful, 0.0) == [-1]
    assert all_of_ours(doubtful, 0.0) == [1]
    assert ours(squares((0, 0)), 0.04) == all_of_ours(squares((0, 0)), 0.04) == [1]
    assert ours(doubtful, 0.08) == [1]


def test_byte_track_is_left_out_where_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trackers", None)
    monkeypatch.setattr("benchmarks.tracking_scenes.trackers.find_spec", lambda name: None)
    assert "ByteTrack" not in compared_trackers(("car",))
    with pytest.raises(MissingExtraError, match="trackers is not installed"):
        byte_track(every_mask=True)


@pytest.mark.skipif(not importlib.util.find_spec("trackers"), reason="trackers is not installed")
def test_byte_track_follows_and_drops_or_keeps_what_it_is_not_sure_of() -> None:
    def run(every_mask: bool) -> list[list[int]]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of other packages at import
            follow: Follow = byte_track(every_mask=every_mask)
            frames = [((2 * t, 0), (60 - 2 * t, 40)) for t in range(6)]
            return [follow(squares(*frame), 0.04 * t) for t, frame in enumerate(frames)]

    dropped, kept = run(False), run(True)
    assert -1 in dropped[0]
    assert all(track >= 0 for frame in kept for track in frame)
    assert dropped[-1] == dropped[-2]
    assert len(set(dropped[-1])) == 2

"""Which segment continues which track: objects that move, hide, merge and change places."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from tracked_things import (
    BUS,
    CAR,
    CLASSES,
    FRAME_SECONDS,
    HEIGHT,
    PERSON,
    WIDTH,
    Thing,
    follow,
    make_segments,
    named,
    names_of,
)

from streamseg.errors import InputError
from streamseg.tracking import Cues, Tracker


def test_car_that_crosses_the_view_keeps_its_name() -> None:
    frames = [[Thing(-30 + 6 * t, 80)] for t in range(55)]
    assert all(names == {0: "car-1"} for names in follow(Tracker(CLASSES), frames))


def test_objects_that_pass_each_other_keep_their_names() -> None:
    # The second hides the first completely for 4 frames.
    frames = [[Thing(20 + 5 * t, 82, 40, 20), Thing(260 - 5 * t, 80, look=1)] for t in range(46)]
    followed = follow(Tracker(CLASSES), frames)
    assert any(0 not in names for names in followed)
    assert {names[0] for names in followed if 0 in names} == {"car-1"}
    assert {names[1] for names in followed} == {"car-2"}


def test_moving_object_is_found_again_after_three_frames() -> None:
    frames = [[Thing(20 + 8 * t, 80)] if not 6 <= t < 9 else [] for t in range(15)]
    names = [name for frame in follow(Tracker(CLASSES), frames) for name in frame.values()]
    assert names == ["car-1"] * 12


def test_one_frame_in_two_seconds_is_enough_for_names() -> None:
    tracker = Tracker(CLASSES)
    assert [names_of(tracker, [Thing(20, 80)], 2.0 * t) for t in range(3)] == [["car-1"]] * 3


def test_class_flip_of_a_fast_small_object_keeps_the_track() -> None:
    frames = [[Thing(5 + 15 * t, 80, 12, 8, class_id=BUS if t == 5 else CAR)] for t in range(10)]
    assert all(names == {0: "car-1"} for names in follow(Tracker(CLASSES), frames))


@pytest.mark.parametrize("class_id", [CAR, PERSON])
def test_what_comes_up_where_another_object_went_is_another(class_id: int) -> None:
    frames = [[Thing(20, 80)], [Thing(24, 80)], [], [Thing(45, 80, class_id=class_id, look=1)]]
    assert follow(Tracker(CLASSES), frames)[-1] == {0: f"{CLASSES[class_id - 1]}-{3 - class_id}"}


def test_small_object_faster_than_its_own_size_keeps_its_name() -> None:
    frames = [[Thing(5 + 15 * t, 80, 12, 8)] for t in range(20)]
    assert all(names == {0: "car-1"} for names in follow(Tracker(CLASSES), frames))


def test_velocity_is_in_seconds_of_the_media() -> None:
    # Two frames out of three are dropped half-way; the car goes on at 250 pixels a second.
    pts = [t * FRAME_SECONDS for t in range(6)] + [(5 + 3 * t) * FRAME_SECONDS for t in range(1, 6)]
    tracker = Tracker(CLASSES)
    assert {names_of(tracker, [Thing(5 + 250 * p, 80, 12, 8)], p)[0] for p in pts} == {"car-1"}


def test_new_object_beside_an_old_one_takes_no_name() -> None:
    frames = [[Thing(100, 80)], [Thing(104, 80)], [Thing(108, 80), Thing(70, 80, look=1)]]
    assert follow(Tracker(CLASSES), frames)[-1] == {0: "car-1", 1: "car-2"}


def behind_a_pillar(t: int, pause: int, look: int = 0) -> list[Thing]:
    """Goes behind x = 120 to 200 at 5 px a frame, stays there, comes out; only what is seen."""
    x = -20 + 5 * t if t < 30 else 130 if t < 30 + pause else 130 + 5 * (t - 30 - pause)
    low, high = (x, min(x + 40, 120)) if x < 120 else (max(x, 200), x + 40)
    return [Thing(low, 80, high - low, look=look if x >= 120 else 0)] if high > low else []


def test_object_that_stops_while_hidden_gets_its_name_back() -> None:
    frames = [behind_a_pillar(t, pause=35) for t in range(80)]
    assert sum(not frame for frame in frames) > 35
    names = {name for frame in follow(Tracker(CLASSES), frames) for name in frame.values()}
    assert names == {"car-1"}


def test_another_object_that_comes_out_of_hiding_gets_a_name_of_its_own() -> None:
    frames = [behind_a_pillar(t, pause=35, look=1) for t in range(80)]
    assert follow(Tracker(CLASSES), frames)[-1] == {0: "car-2"}


def test_hidden_object_that_stopped_is_lost_without_reidentification() -> None:
    frames = [behind_a_pillar(t, pause=35) for t in range(80)]
    tracker = Tracker(CLASSES, cues=Cues(reidentification=False))
    assert follow(tracker, frames)[-1] == {0: "car-2"}


def test_looks_tell_apart_what_changed_places() -> None:
    """While nobody looked."""

    def second_frame(cues: Cues, before: list[Thing], after: list[Thing]) -> dict[int, str]:
        return follow(Tracker(CLASSES, cues=cues), [before, before, [], after])[-1]

    here, there = Thing(100, 80), Thing(125, 80, look=1)
    swapped = [replace(here, look=1), replace(there, look=0)]
    assert second_frame(Cues(), [here, there], swapped) == {0: "car-2", 1: "car-1"}
    no_looks = Cues(embedding=False)
    assert second_frame(no_looks, [here, there], swapped) == {0: "car-1", 1: "car-2"}


def test_sliver_at_the_border_keeps_the_name_of_what_leaves() -> None:
    frames = [[Thing(20 - 3 * t, 80, look=t // 19)] for t in range(20)]
    assert all(names == {0: "car-1"} for names in follow(Tracker(CLASSES), frames))


def test_object_that_merges_with_another_for_two_frames_gets_its_name_back() -> None:
    apart = [Thing(100, 80, 40), Thing(140, 80, 30, look=1)]
    merged = [Thing(100, 80, 70)]
    followed = follow(Tracker(CLASSES), [apart, apart, merged, merged, apart])
    assert followed[2:4] == [{0: "car-1"}] * 2
    assert followed[4] == {0: "car-1", 1: "car-2"}


def test_object_that_falls_in_two_for_two_frames_keeps_its_name() -> None:
    whole = [Thing(100, 80, 60)]
    parts = [Thing(100, 80, 36), Thing(136, 80, 24)]
    followed = follow(Tracker(CLASSES), [whole, whole, parts, parts, whole])
    assert [names[0] for names in followed] == ["car-1"] * 5


def test_empty_frames() -> None:
    tracker = Tracker(CLASSES)
    assert [names_of(tracker, [], 0.1 * t) for t in range(3)] == [[]] * 3
    assert names_of(tracker, [Thing(20, 20)], 0.3) == ["car-1"]


def test_names_outlast_another_size_of_the_frame() -> None:
    tracker = Tracker(CLASSES)
    assert names_of(tracker, [Thing(20, 20)], 0.0) == ["car-1"]
    larger, _ = make_segments([Thing(40, 40, 80, 48)], height=2 * HEIGHT, width=2 * WIDTH)
    assert [name.name for name in named(tracker, larger, 0.04)] == ["car-1"]


def test_time_that_jumps_backwards_keeps_names() -> None:
    tracker = Tracker(CLASSES)
    assert [names_of(tracker, [Thing(20, 20)], pts) for pts in (99.0, 0.0, 0.04)] == [["car-1"]] * 3


def test_objects_smaller_than_the_grid_have_names() -> None:
    tracker = Tracker(CLASSES)
    for t in range(3):
        segments, _ = make_segments([Thing(401 + t, 401, 2, 2)], height=720, width=1280)
        assert [name.name for name in named(tracker, segments, t * FRAME_SECONDS)] == ["car-1"]


def test_wrong_arguments() -> None:
    segments, _ = make_segments([Thing(20, 20)])
    with pytest.raises(InputError, match=r"class_id must be in 1\.\.3, got 4"):
        Tracker(CLASSES).update(replace(segments, class_id=np.array([4])), 0.0)
    with pytest.raises(InputError, match="pts_seconds must be finite"):
        Tracker(CLASSES).update(segments, math.nan)


def test_unsure_segment_takes_no_track_from_a_sure_one() -> None:
    tracker = Tracker(CLASSES)
    names_of(tracker, [Thing(100, 80)], 0.0)
    segments, _ = make_segments([Thing(100, 80, width=30, score=0.95), Thing(130, 80, width=10)])
    names = tracker.update(segments, FRAME_SECONDS, sure=np.array([False, True]))
    assert [name and name.name for name in names] == [None, "car-1"]

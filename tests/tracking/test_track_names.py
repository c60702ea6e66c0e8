"""Names: by the votes of scores and classes, when they are confirmed, when they end."""

from __future__ import annotations

import numpy as np
import pytest
from tracked_things import (
    BUS,
    CAR,
    CLASSES,
    FRAME_SECONDS,
    PERSON,
    Thing,
    follow,
    make_segments,
    named,
    names_of,
)

from streamseg.tracking import Tracker, TrackName


def test_first_frame_is_named_by_score_and_class() -> None:
    segments, _ = make_segments(
        [
            Thing(10, 10, score=0.5),
            Thing(100, 10, score=0.9, look=1),
            Thing(200, 10, class_id=PERSON, score=0.7, look=2),
        ]
    )
    assert Tracker(CLASSES).update(segments, 0.0) == [
        TrackName(track_id=3, name="car-2", class_id=CAR, is_confirmed=False),
        TrackName(track_id=1, name="car-1", class_id=CAR, is_confirmed=True),
        TrackName(track_id=2, name="person-1", class_id=PERSON, is_confirmed=False),
    ]


def test_order_of_scores_does_not_matter_once_named() -> None:
    def frame(first: float, second: float) -> list[Thing]:
        return [Thing(20, 20, score=first), Thing(200, 20, look=1, score=second)]

    followed = follow(Tracker(CLASSES), [frame(0.9, 0.8), frame(0.4, 0.8), frame(0.9, 0.8)])
    assert followed == [{0: "car-1", 1: "car-2"}] * 3


def test_class_flip_keeps_the_track_and_the_vote_decides() -> None:
    tracker = Tracker(CLASSES)
    classes = [CAR, CAR, BUS, CAR, BUS]
    for index, class_id in enumerate(classes):
        segments, _ = make_segments([Thing(20 + 4 * index, 80, class_id=class_id)])
        assert tracker.update(segments, index * FRAME_SECONDS) == [TrackName(1, "car-1", CAR, True)]
    # 1.8 votes against 2.7: the bus needs four times the votes of the car to be believed
    names = []
    for index in range(5, 16):
        segments, _ = make_segments([Thing(20 + 4 * index, 80, class_id=BUS)])
        names += named(tracker, segments, index * FRAME_SECONDS)
    assert names[:10] == [TrackName(1, "car-1", CAR, True)] * 10
    assert names[10] == TrackName(1, "bus-1", BUS, True)


def test_name_follows_the_vote_until_the_track_is_confirmed() -> None:
    tracker = Tracker(CLASSES)
    names = []
    for index, class_id in enumerate([PERSON, CAR, CAR, PERSON, CAR, PERSON, PERSON]):
        thing = Thing(20 + 4 * index, 80, class_id=class_id, score=0.22)
        names += named(tracker, make_segments([thing])[0], index * FRAME_SECONDS)
    assert [name.name for name in names] == ["person-1"] * 2 + ["car-1"] * 5
    assert [name.is_confirmed for name in names] == [False] * 4 + [True] * 3
    assert {name.track_id for name in names} == {1}


def test_track_that_returns_to_a_class_has_its_earlier_name() -> None:
    tracker = Tracker(CLASSES)
    other = Thing(200, 20, look=1, score=0.15)
    names = []
    for class_id in [PERSON, CAR, CAR, PERSON, PERSON]:
        things = [Thing(20, 80, class_id=class_id, score=0.15), other]
        names.append(names_of(tracker, things, 0.0)[0])
    assert names == ["person-1", "person-1", "car-2", "car-2", "person-1"]


def test_score_of_zero_still_votes() -> None:
    segments, _ = make_segments([Thing(20, 20, score=0.0)])
    assert Tracker(CLASSES).update(segments, 0.0) == [TrackName(1, "car-1", CAR, False)]


@pytest.mark.parametrize(("score", "sights"), [(0.875, 1), (0.75, 2), (0.5, 2), (0.375, 3)])
def test_a_track_is_confirmed_by_one_sure_score_or_by_many_that_add_up(
    score: float, sights: int
) -> None:
    tracker = Tracker(CLASSES)
    confirmed = []
    for number in range(20):
        segments, _ = make_segments([Thing(50, 50, score=score)])
        (name,) = named(tracker, segments, number * FRAME_SECONDS)
        confirmed.append(name.is_confirmed)
    assert confirmed == [False] * (sights - 1) + [True] * (21 - sights)


def test_unsure_segments_do_not_confirm_a_track() -> None:
    tracker = Tracker(CLASSES)
    confirmed = []
    for number, is_sure in enumerate([True, *[False] * 10, True]):
        segments, _ = make_segments([Thing(50, 50, score=0.5)])
        (name,) = tracker.update(segments, number * FRAME_SECONDS, sure=np.array([is_sure]))
        assert name
        confirmed.append(name.is_confirmed)
    assert confirmed == [False] * 11 + [True]


def test_what_is_confirmed_stays_so_after_it_was_hidden() -> None:
    tracker = Tracker(CLASSES)
    sure, _ = make_segments([Thing(50, 50, score=0.9)])
    unsure, _ = make_segments([Thing(50, 50, score=0.5)])
    nothing, _ = make_segments([])
    tracker.update(sure, 0.0)
    tracker.update(nothing, FRAME_SECONDS)
    (name,) = named(tracker, unsure, 2 * FRAME_SECONDS)
    assert (name.name, name.is_confirmed) == ("car-1", True)


def test_name_ends_after_the_longest_gap() -> None:
    for gap, name in ((48, "car-1"), (51, "car-2")):  # 25 frames per second
        frames = [[Thing(20, 80)], *[[]] * gap, [Thing(20, 80)]]
        assert follow(Tracker(CLASSES), frames)[-1] == {0: name}


def test_names_are_not_given_twice() -> None:
    frames = [[Thing(20, 80)], *[[]] * 60, [Thing(20, 80)], *[[]] * 60, [Thing(20, 80)]]
    followed = follow(Tracker(CLASSES), frames)
    assert [names[0] for names in followed if names] == ["car-1", "car-2", "car-3"]


def test_trackers_share_nothing() -> None:
    first, second = Tracker(CLASSES), Tracker(CLASSES)
    things = [Thing(20, 20), Thing(200, 20, look=1)]
    assert names_of(first, things, 0.0) == ["car-1", "car-2"]
    assert names_of(second, things[1:], 0.0) == ["car-1"]
    assert names_of(first, things, 0.1) == ["car-1", "car-2"]


def test_unsure_segment_continues_a_track_and_starts_none() -> None:
    tracker = Tracker(CLASSES)
    seen = [Thing(20, 80), Thing(200, 20, look=1)]
    for index, sure in enumerate([[True, False], [False, False], [True, True], [False, False]]):
        segments, _ = make_segments(seen)
        names = tracker.update(segments, index * FRAME_SECONDS, sure=np.array(sure))
        found = [name and name.name for name in names]
        assert found == ["car-1", None if index < 2 else "car-2"]


def test_scene_cut_ends_all_tracks_and_gives_no_name_again() -> None:
    random = np.random.default_rng(0)
    scenes = [random.integers(0, 256, (36, 64, 3), np.uint8) for _ in range(2)]
    tracker = Tracker(CLASSES)
    segments, _ = make_segments([Thing(100, 80)])
    names = []
    for index in range(6):
        thumbnail = scenes[index // 2 % 2]
        names += tracker.update(segments, index * FRAME_SECONDS, thumbnail=thumbnail)
    assert [(name.name, name.track_id) for name in names if name] == [
        *[("car-1", 1)] * 2,
        *[("car-2", 2)] * 2,
        *[("car-3", 3)] * 2,
    ]

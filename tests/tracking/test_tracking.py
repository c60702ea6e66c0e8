from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamseg.errors import ConfigError, InputError
from streamseg.results import Segments
from streamseg.tracking import Cues, Tracker, TrackName

CLASSES = ("car", "person", "bus")
CAR, PERSON, BUS = 1, 2, 3
HEIGHT, WIDTH = 180, 320
FRAME_SECONDS = 1 / 25


@dataclass(frozen=True)
class Thing:
    """A rectangle; of two that overlap, the later in a list is in front."""

    x: float
    y: float
    width: int = 40
    height: int = 24
    class_id: int = CAR
    look: int = 0
    score: float = 0.9


def make_segments(
    things: Sequence[Thing], *, height: int = HEIGHT, width: int = WIDTH
) -> tuple[Segments, list[int]]:
    """The visible things as segments, and each one's index in ``things``."""
    painted = np.zeros((height, width), np.uint16)
    for k, thing in enumerate(things, 1):
        x, y = round(thing.x), round(thing.y)
        painted[max(y, 0) : max(y + thing.height, 0), max(x, 0) : max(x + thing.width, 0)] = k
    visible = [k for k in range(1, len(things) + 1) if (painted == k).any()]
    label_map = np.zeros_like(painted)
    boxes, areas, seeds, embeddings = [], [], [], []
    for label, k in enumerate(visible, 1):
        rows, columns = np.nonzero(painted == k)
        label_map[rows, columns] = label
        boxes.append((columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))
        areas.append(len(rows))
        seeds.append((rows[len(rows) // 2], columns[len(rows) // 2]))
        # Like the network's: a look of its own and, more weakly, the place in the image.
        embedding = np.zeros(8)
        embedding[things[k - 1].look % 6] = 3.0
        embedding[6:] = seeds[-1][0] / height, seeds[-1][1] / width
        embeddings.append(embedding)
    shown = [things[k - 1] for k in visible]
    segments = Segments(
        label_map=label_map,
        class_id=np.array([thing.class_id for thing in shown], np.int64),
        score=np.array([thing.score for thing in shown], np.float32),
        box=np.array(boxes, np.int64).reshape(-1, 4),
        area_px=np.array(areas, np.int64),
        seed_yx=np.array(seeds, np.int64).reshape(-1, 2),
        tau=np.full(len(shown), 0.5, np.float32),
        embedding=np.array(embeddings, np.float32).reshape(-1, 8),
    )
    return segments, [k - 1 for k in visible]


def permute(segments: Segments, order: Sequence[int]) -> Segments:
    """The same segments in another order."""
    label_of = np.zeros(len(segments) + 1, np.uint16)
    label_of[np.array(order, np.int64) + 1] = np.arange(1, len(order) + 1)
    rows = {
        field.name: getattr(segments, field.name)[list(order)]
        for field in fields(segments)
        if field.name != "label_map"
    }
    return Segments(label_map=label_of[segments.label_map], **rows)


def named(tracker: Tracker, segments: Segments, pts_seconds: float) -> list[TrackName]:
    """The names of segments that are all sure."""
    return [name for name in tracker.update(segments, pts_seconds) if name is not None]


def follow(tracker: Tracker, frames: Sequence[Sequence[Thing]]) -> list[dict[int, str]]:
    """Names in each frame, by the index of the thing."""
    result = []
    for index, things in enumerate(frames):
        segments, shown = make_segments(things)
        names = named(tracker, segments, index * FRAME_SECONDS)
        result.append({k: name.name for k, name in zip(shown, names, strict=True)})
    return result


def names_of(tracker: Tracker, things: Sequence[Thing], pts_seconds: float) -> list[str]:
    segments, _ = make_segments(things)
    return [name.name for name in named(tracker, segments, pts_seconds)]


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


def test_order_of_scores_does_not_matter_once_named() -> None:
    def frame(first: float, second: float) -> list[Thing]:
        return [Thing(20, 20, score=first), Thing(200, 20, look=1, score=second)]

    followed = follow(Tracker(CLASSES), [frame(0.9, 0.8), frame(0.4, 0.8), frame(0.9, 0.8)])
    assert followed == [{0: "car-1", 1: "car-2"}] * 3


def test_moving_object_is_found_again_after_three_frames() -> None:
    frames = [[Thing(20 + 8 * t, 80)] if not 6 <= t < 9 else [] for t in range(15)]
    names = [name for frame in follow(Tracker(CLASSES), frames) for name in frame.values()]
    assert names == ["car-1"] * 12


def test_name_ends_after_the_longest_gap() -> None:
    frames = [[Thing(20, 80)], *[[]] * 51, [Thing(20, 80)]]
    assert follow(Tracker(CLASSES), frames)[-1] == {0: "car-2"}
    assert follow(Tracker(CLASSES, max_gap_seconds=3), frames)[-1] == {0: "car-1"}


def test_one_frame_in_two_seconds_is_enough_for_names() -> None:
    tracker = Tracker(CLASSES)
    assert [names_of(tracker, [Thing(20, 80)], 2.0 * t) for t in range(3)] == [["car-1"]] * 3


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
        thing = Thing(20 + 4 * index, 80, class_id=class_id, score=0.4)
        names += named(tracker, make_segments([thing])[0], index * FRAME_SECONDS)
    assert [name.name for name in names] == ["person-1"] * 2 + ["car-1"] * 5
    assert [name.is_confirmed for name in names] == [False] * 4 + [True] * 3
    assert {name.track_id for name in names} == {1}


def test_track_that_returns_to_a_class_has_its_earlier_name() -> None:
    tracker = Tracker(CLASSES)
    other = Thing(200, 20, look=1, score=0.3)
    names = []
    for class_id in [PERSON, CAR, CAR, PERSON, PERSON]:
        things = [Thing(20, 80, class_id=class_id, score=0.3), other]
        names.append(names_of(tracker, things, 0.0)[0])
    assert names == ["person-1", "person-1", "car-2", "car-2", "person-1"]


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


def test_score_of_zero_still_votes() -> None:
    segments, _ = make_segments([Thing(20, 20, score=0.0)])
    assert Tracker(CLASSES).update(segments, 0.0) == [TrackName(1, "car-1", CAR, False)]


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
    with pytest.raises(ConfigError, match="max_gap_seconds"):
        Tracker(CLASSES, max_gap_seconds=-1)


things = st.builds(
    Thing,
    x=st.integers(0, WIDTH - 41),
    y=st.integers(0, HEIGHT - 25),
    class_id=st.sampled_from([CAR, PERSON, BUS]),
    look=st.integers(0, 5),
    score=st.sampled_from([0.3, 0.6, 0.9]),
)
frames = st.lists(st.lists(things, max_size=6), min_size=1, max_size=5)


@settings(max_examples=40, deadline=None)
@given(frames=frames, random=st.randoms(use_true_random=False))
def test_order_of_segments_changes_nothing(frames: list[list[Thing]], random: object) -> None:
    straight, shuffled = Tracker(CLASSES), Tracker(CLASSES)
    for index, frame in enumerate(frames):
        segments, _ = make_segments(frame)
        order = list(range(len(segments)))
        random.shuffle(order)  # type: ignore[attr-defined]
        names = named(straight, segments, index * FRAME_SECONDS)
        other = named(shuffled, permute(segments, order), index * FRAME_SECONDS)
        assert other == [names[k] for k in order]


@settings(max_examples=40, deadline=None)
@given(frames=frames)
def test_one_name_one_object(frames: list[list[Thing]]) -> None:
    tracker = Tracker(CLASSES)
    track_of: dict[str, int] = {}
    for index, frame in enumerate(frames):
        segments, _ = make_segments(frame)
        names = named(tracker, segments, index * FRAME_SECONDS)
        assert len({name.track_id for name in names}) == len(names) == len(segments)
        for name in names:
            assert track_of.setdefault(name.name, name.track_id) == name.track_id
            assert name.name.startswith(f"{CLASSES[name.class_id - 1]}-")
    tracks = set(track_of.values())
    assert tracks == set(range(1, len(tracks) + 1))


@pytest.mark.parametrize(("score", "sights"), [(0.875, 1), (0.75, 3), (0.5, 4)])
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


def test_what_is_confirmed_stays_so_after_it_was_hidden() -> None:
    tracker = Tracker(CLASSES)
    sure, _ = make_segments([Thing(50, 50, score=0.9)])
    unsure, _ = make_segments([Thing(50, 50, score=0.5)])
    nothing, _ = make_segments([])
    tracker.update(sure, 0.0)
    tracker.update(nothing, FRAME_SECONDS)
    (name,) = named(tracker, unsure, 2 * FRAME_SECONDS)
    assert (name.name, name.is_confirmed) == ("car-1", True)


def test_unsure_segment_continues_a_track_and_starts_none() -> None:
    tracker = Tracker(CLASSES)
    seen = [Thing(20, 80), Thing(200, 20, look=1)]
    for index, sure in enumerate([[True, False], [False, False], [True, True], [False, False]]):
        segments, _ = make_segments(seen)
        names = tracker.update(segments, index * FRAME_SECONDS, sure=np.array(sure))
        found = [name and name.name for name in names]
        assert found == ["car-1", None if index < 2 else "car-2"]


def test_unsure_segment_takes_no_track_from_a_sure_one() -> None:
    tracker = Tracker(CLASSES)
    names_of(tracker, [Thing(100, 80)], 0.0)
    segments, _ = make_segments([Thing(100, 80, width=30, score=0.95), Thing(130, 80, width=10)])
    names = tracker.update(segments, FRAME_SECONDS, sure=np.array([False, True]))
    assert [name and name.name for name in names] == [None, "car-1"]


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

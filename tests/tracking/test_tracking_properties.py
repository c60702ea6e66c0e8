"""What holds for tracks in any frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tracked_things import (
    BUS,
    CAR,
    CLASSES,
    FRAME_SECONDS,
    HEIGHT,
    PERSON,
    WIDTH,
    Thing,
    make_segments,
    named,
)

from streamseg.results import Segments
from streamseg.tracking import Tracker


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

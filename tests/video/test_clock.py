from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamseg.video.clock import PresentationClock

MILLISECONDS = Fraction(1, 1000)


def seconds_of(pts: list[int | None], *, from_zero: bool = False) -> list[float]:
    clock = PresentationClock(MILLISECONDS, from_zero=from_zero)
    return [clock.seconds(value, 0.04) for value in pts]


def test_a_variable_rate_and_the_start_are_kept() -> None:
    assert seconds_of([500, 510, 900]) == pytest.approx([0.5, 0.51, 0.9])


def test_cameras_count_from_their_first_frame() -> None:
    assert seconds_of([86_400_000, 86_400_050], from_zero=True) == pytest.approx([0, 0.05])


def test_a_missing_timestamp_continues_by_the_nominal_duration() -> None:
    assert seconds_of([None, None, 100, None]) == pytest.approx([0, 0.04, 0.1, 0.14])


def test_a_doubled_timestamp_moves_by_one_tick_and_leaves_the_rest_alone() -> None:
    assert seconds_of([0, 40, 40, 80]) == pytest.approx([0, 0.04, 0.041, 0.08])


def test_a_restart_goes_on_behind_what_came_before() -> None:
    assert seconds_of([5000, 5040, 0, 30, 90]) == pytest.approx([5, 5.04, 5.08, 5.11, 5.17])


@settings(max_examples=50, deadline=None)  # the machine may be busy
@given(st.lists(st.none() | st.integers(-(10**9), 10**9)), st.booleans())
def test_time_rises_strictly_whatever_comes(pts: list[int | None], from_zero: bool) -> None:
    seconds = seconds_of(pts, from_zero=from_zero)
    assert all(a < b for a, b in pairwise(seconds))

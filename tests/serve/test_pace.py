"""How many frames viewers are shown."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from streamseg.serve.pace import BUSY_IMAGES, Pace


def shown(pace: Pace, network_seconds: float, times: Iterator[float]) -> list[bool]:
    return [pace.shows(0, now, network_seconds, 1) for now in times]


def seconds(start: float, fps: float, length: float) -> Iterator[float]:
    return (start + k / fps for k in range(round(length * fps)))


def test_every_frame_is_shown_while_the_network_has_time() -> None:
    assert all(shown(Pace(), 0.020, seconds(0, 25, 10)))


def test_few_frames_are_shown_while_the_network_has_none() -> None:
    pace = Pace()
    shown(pace, 0.033, seconds(0, 30, 3))
    later = shown(pace, 0.033, seconds(3, 30, 10))
    assert sum(later) == pytest.approx(10 * BUSY_IMAGES, abs=10)


def test_a_slow_network_shows_what_it_has() -> None:
    pace = Pace()
    assert all(shown(pace, 0.240, seconds(0, 4, 10)))


def test_it_does_not_waver_where_showing_itself_costs_time() -> None:
    pace = Pace()
    shown(pace, 0.036, seconds(0, 25, 3))
    assert not all(shown(pace, 0.031, seconds(3, 25, 5)))  # a share of 0.78
    shown(pace, 0.020, seconds(8, 25, 3))
    assert all(shown(pace, 0.031, seconds(11, 25, 5)))


def test_several_sources_share_what_is_shown() -> None:
    pace = Pace()
    count = 0
    for now in seconds(0, 30, 13):
        is_shown = pace.shows(round(30 * now) % 3, now, 0.033, 3)
        count += is_shown and now >= 3
    assert count == pytest.approx(10 * BUSY_IMAGES, abs=12)


def test_frames_after_a_pause_are_shown() -> None:
    pace = Pace()
    shown(pace, 0.033, seconds(0, 30, 3))
    assert pace.shows(0, 60.0, 0.033, 1)
    assert pace.shows(0, 60.04, 0.020, 1)

"""What a run saw, in bounded memory."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from streamseg.cli import summary
from streamseg.cli.summary import Summary


def result(*names: str, confirmed: int | None = None, source_index: int = 0) -> Any:
    instances = [SimpleNamespace(name=name, class_name=name.rpartition("-")[0]) for name in names]
    return SimpleNamespace(
        source_index=source_index,
        dropped=0,
        instances=instances,
        confirmed=instances[:confirmed],
        latency_ms=1.0,
        timings_ms={"network": 1},
    )


def test_confirmed_tracks_are_counted_or_all() -> None:
    for counts_all, found in (
        (False, "found car ×1; confirmed longest"),
        (True, "found car ×1, sheep ×1; seen longest"),
    ):
        seen = Summary(counts_all=counts_all)
        seen.add(result("car-1", "sheep-1", confirmed=1))
        assert seen.lines()[1].startswith(f"{found}, in frames: car-1 (1)")
        assert seen.latest_instances == 1 + counts_all


def test_names_are_counted_by_class() -> None:
    seen = Summary()
    for names in (["car-1", "person-1"], ["car-1", "car-2"], ["car-1"]):
        seen.add(result(*names))
    assert seen.lines()[1] == (
        "found car ×2, person ×1; confirmed longest, in frames: car-1 (3), person-1 (1), car-2 (1)"
    )


def test_objects_of_two_sources_are_two_objects() -> None:
    seen = Summary()
    for source_index in (0, 1, 1):
        seen.add(result("car-1", source_index=source_index))
    assert seen.lines()[1] == (
        "found car ×2; confirmed longest, in frames: 1: car-1 (2), 0: car-1 (1)"
    )


def test_instances_that_are_not_confirmed_are_mentioned() -> None:
    seen = Summary()
    seen.add(result())
    assert seen.lines()[1] == "found no objects"
    seen.add(result("car-1", confirmed=0))
    assert seen.lines()[1] == (
        "found no confirmed objects; --draw all counts those that may be false"
    )


def test_a_week_of_names_does_not_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summary, "MOST_NAMES", 10)
    seen = Summary()
    for number in range(1000):
        seen.add(result("car-0", f"car-{number}"))
    assert len(seen.frames_of_object) <= 10
    assert seen.names_of_class == {"car": 1000}
    assert seen.frames_of_object.most_common(1) == [((0, "car-0"), 1001)]

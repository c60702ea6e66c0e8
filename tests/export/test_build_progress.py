from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from streamseg.export.build_progress import (
    DEEPEST_BAR,
    BuildStep,
    BuildWatch,
    build_bars,
    progress_monitor,
)

TRT = SimpleNamespace(IProgressMonitor=object)


def test_phases_are_told_with_those_around_them() -> None:
    told: list[BuildStep] = []
    monitor = progress_monitor(TRT, BuildWatch(told.append))
    monitor.phase_start("build", None, 2)
    monitor.phase_start("tactics", "build", 3)
    assert monitor.step_complete("tactics", 0)
    monitor.phase_finish("tactics")
    assert monitor.step_complete("build", 0)
    monitor.phase_finish("build")
    assert told == [
        BuildStep(("build",), 0, 2),
        BuildStep(("build", "tactics"), 0, 3),
        BuildStep(("build", "tactics"), 1, 3),
        BuildStep(("build", "tactics"), 3, 3),
        BuildStep(("build",), 1, 2),
        BuildStep(("build",), 2, 2),
    ]


def test_phases_that_were_never_begun_do_no_harm() -> None:
    told: list[BuildStep] = []
    watch = BuildWatch(told.append)
    assert watch.step("unknown", 0)
    watch.finish("unknown")
    watch.start("inner", "unknown", 1)
    assert told == [BuildStep(("inner",), 0, 1)]


def test_what_progress_raises_stops_the_build_and_comes_out_of_it() -> None:
    calls = 0

    def fail(step: BuildStep) -> None:
        nonlocal calls
        calls += 1
        raise ZeroDivisionError

    watch = BuildWatch(fail)
    steps: list[bool] = []

    def work() -> None:
        watch.start("build", None, 3)
        steps.extend(watch.step("build", index) for index in range(3))

    with pytest.raises(ZeroDivisionError):
        watch.run(work)
    assert calls == 1
    assert steps == [False] * 3


def test_without_progress_work_runs_through() -> None:
    watch = BuildWatch(None)
    watch.start("build", None, 1)
    assert watch.run(lambda: watch.step("build", 0))


def test_errors_of_the_work_come_out_of_it() -> None:
    def work() -> None:
        raise OverflowError

    with pytest.raises(OverflowError):
        BuildWatch(None).run(work)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_waits_for_the_step_under_way_however_often_it_is_pressed() -> None:
    watch, goes_on = BuildWatch(None), []

    def work() -> None:
        watch.start("build", None, 2)
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.1)  # for the main thread to notice
        goes_on.append(watch.step("build", 0))

    with pytest.raises(KeyboardInterrupt):
        watch.run(work)
    assert goes_on == [False]


def test_steps_of_many_threads_are_told_one_at_a_time() -> None:
    inside = 0
    most = 0

    def progress(step: BuildStep) -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        threading.Event().wait(0.001)
        inside -= 1

    watch = BuildWatch(progress)
    watch.start("build", None, 100)

    def work() -> None:
        for index in range(5):
            watch.step("build", index)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """The bars of the display that is open."""
    from rich import progress

    made: list[progress.Progress] = []

    class Recorded(progress.Progress):
        def __init__(self, *columns: Any, **options: Any) -> None:
            super().__init__(*columns, **options)
            made.append(self)

    monkeypatch.setattr(progress, "Progress", Recorded)
    return lambda: [(task.description, task.completed, task.total) for task in made[-1].tasks]


def test_bars_show_phases_until_they_are_over(drawn: Callable[[], Any]) -> None:
    with build_bars() as show:
        show(BuildStep(("build",), 0, 2))
        show(BuildStep(("build", "tactics"), 2, 3))
        assert drawn() == [("build", 0, 2), ("  tactics", 2, 3)]
        show(BuildStep(("build", "tactics"), 3, 3))
        show(BuildStep(("build",), 2, 2))
        assert drawn() == [("build", 2, 2)]


def test_phases_deep_inside_have_no_bar(drawn: Callable[[], Any]) -> None:
    names = tuple("abcdef")
    with build_bars() as show:
        for depth in range(1, len(names) + 1):
            show(BuildStep(names[:depth], 0, 1))
        assert len(drawn()) == DEEPEST_BAR

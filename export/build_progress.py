"""Progress and cancellation of a build.

TensorRT takes minutes on a vehicle. It reports nested phases of several steps each; after every
step it asks whether to continue.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from streamseg.interrupts import defer_signals, raise_deferred
from streamseg.release.tensorrt_module import IProgressMonitor, TensorRT

if TYPE_CHECKING:
    from rich.progress import TaskID

Result = TypeVar("Result")
DEEPEST_BAR: Final = 3
"""Deeper phases are too short to show."""


@dataclass(frozen=True)
class BuildStep:
    """Progress of a phase: ``done`` is 0 at its start and ``total`` at its end."""

    phases: tuple[str, ...]
    """TensorRT's names, the outermost phase first."""
    done: int
    total: int


class BuildWatch:
    """Forwards steps until the build is cancelled. Thread-safe."""

    def __init__(self, progress: Callable[[BuildStep], None] | None) -> None:
        """Start with no phase.

        Args:
            progress: called for every step, by one thread at a time; an exception cancels.
        """
        self._progress = progress
        self._error: BaseException | None = None
        self._signal: Callable[[], int | None] = lambda: None
        self._phases: dict[str, tuple[tuple[str, ...], int]] = {}
        self._lock = threading.Lock()

    def run(self, work: Callable[[], Result]) -> Result:
        """Run a build that reports here; Ctrl-C cancels it after the current step.

        It runs in a thread of its own: Python notices Ctrl-C in the main thread only, which would
        be inside TensorRT.

        Raises:
            BaseException: that of ``progress`` or of Ctrl-C, when the function has returned.
        """
        # deferred also because the caller must not free memory that TensorRT still uses
        with defer_signals(once=False) as self._signal, ThreadPoolExecutor(1) as pool:
            result = pool.submit(work).result()
        if number := self._signal():
            raise_deferred(number)
        if self._error:
            raise self._error
        return result

    def start(self, phase: str, parent: str | None, total: int) -> None:
        """Report the start of a phase."""
        with self._lock:
            above, _ = self._phases.get(parent or "", ((), 0))
            self._phases[phase] = (*above, phase), total
            self._tell(phase, 0)

    def step(self, phase: str, step: int) -> bool:
        """Report a step; return whether to continue."""
        with self._lock:
            self._tell(phase, step + 1)
            return not self._cancelled()

    def finish(self, phase: str) -> None:
        """Report the end of a phase."""
        with self._lock:
            self._tell(phase, None)
            self._phases.pop(phase, None)

    def _tell(self, phase: str, done: int | None) -> None:
        if self._progress is None or self._cancelled() or phase not in self._phases:
            return
        phases, total = self._phases[phase]
        try:
            self._progress(BuildStep(phases, total if done is None else done, total))
        except BaseException as error:  # must not pass through TensorRT's own frames
            self._error = error

    def _cancelled(self) -> bool:
        return self._error is not None or self._signal() is not None


def progress_monitor(trt: TensorRT, watch: BuildWatch) -> IProgressMonitor:
    """Make TensorRT's progress monitor, which reports to ``watch``."""

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            watch.start(phase_name, parent_phase, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            return watch.step(phase_name, step)

        def phase_finish(self, phase_name: str) -> None:
            watch.finish(phase_name)

    return Monitor()


@contextmanager
def build_bars() -> Iterator[Callable[[BuildStep], None]]:
    """Show the phases of a build on stderr, a bar each, inner ones indented.

    Yields:
        The ``progress`` for ``build_engine``.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeElapsedColumn as Elapsed

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Elapsed())
    console = Console(stderr=True)
    with Progress(*columns, console=console, refresh_per_second=5, transient=True) as bars:
        tasks: dict[tuple[str, ...], TaskID] = {}

        def show(step: BuildStep) -> None:
            depth = len(step.phases)
            if depth > DEEPEST_BAR:
                return
            if step.phases not in tasks:
                indented = "  " * (depth - 1) + step.phases[-1]
                tasks[step.phases] = bars.add_task(indented, total=step.total)
            bars.update(tasks[step.phases], completed=step.done)
            if step.done == step.total and depth > 1:
                bars.remove_task(tasks.pop(step.phases))

        yield show

"""Progress bars of long commands."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from statistics import harmonic_mean
from typing import TYPE_CHECKING

from streamseg.cli.summary import Summary

if TYPE_CHECKING:
    from rich.progress import TaskID

    from streamseg.train.metrics import StepMetrics
    from streamseg.train.validation import ValidationResult


@contextmanager
def frame_progress(expected: int | None, summary: Summary) -> Iterator[Callable[[], None]]:
    """Show frames done, frames per second, latency, instances and lost sources on stderr.

    Args:
        expected: number of frames; None if unknown, as for cameras.
        summary: what to show; it is read several times per second.

    Yields:
        A function to call after every frame.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task
    from rich.progress import TimeRemainingColumn as TimeLeft
    from rich.text import Text

    class State(ProgressColumn):
        def render(self, _task: Task) -> Text:
            return Text(summary.status())

    columns = (BarColumn(), MofNCompleteColumn(), State(), TimeLeft())
    console = Console(stderr=True)
    with Progress(*columns, console=console, refresh_per_second=5, transient=True) as progress:
        task = progress.add_task("", total=expected)

        def show() -> None:
            progress.update(task, completed=summary.frames)

        yield show


@contextmanager
def training_progress(
    done: int, total: int, best: ValidationResult | None
) -> Iterator[
    tuple[Callable[[StepMetrics], None], Callable[[ValidationResult, ValidationResult], None]]
]:
    """Show steps, time left, losses, speeds and the best validation.

    Args:
        done: steps that an earlier run has done.
        total: steps of the whole run.
        best: validation so far.

    Yields:
        A function to call after every step, and one to call after every validation with its result
        and the best one.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as TimeLeft

    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeLeft(),
        TextColumn("{task.fields[validation]}"),
        TextColumn("{task.fields[state]}"),
    )
    latest: deque[StepMetrics] = deque(maxlen=20)
    with Progress(*columns, refresh_per_second=2) as progress:
        task = progress.add_task("training", total=total, completed=done, state="", validation="")

        def show(metrics: StepMetrics) -> None:
            latest.append(metrics)
            progress.update(task, completed=metrics.step + 1, state=_training_state(latest))

        def show_best(best: ValidationResult) -> None:
            text = f"best mAP^r_vol {100 * best.score:.1f} at step {best.step}"
            progress.update(task, validation=text)

        def show_validation(found: ValidationResult, best: ValidationResult) -> None:
            progress.console.print(
                f"validation at {found.line()}", markup=False, highlight=False, soft_wrap=True
            )
            show_best(best)

        if best:
            show_best(best)
        yield show, show_validation


@contextmanager
def stage_progress() -> Iterator[Callable[[str, float], None]]:
    """Show the stages of long work, each with a bar.

    Yields:
        A function to call with a stage's name and the share of it that is done, 0..1.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:10}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), refresh_per_second=4) as progress:
        tasks: dict[str, TaskID] = {}

        def show(stage: str, done: float) -> None:
            if stage not in tasks:
                tasks[stage] = progress.add_task(stage, total=1.0)
            progress.update(tasks[stage], completed=done)

        yield show


def _training_state(latest: Sequence[StepMetrics]) -> str:
    """Losses of the last step, and speeds over the latest steps."""
    now = latest[-1]
    # the harmonic mean of rates is total images by total time
    speed = harmonic_mean([metrics.images_per_second for metrics in latest])
    loader = harmonic_mean([metrics.loader_images_per_second for metrics in latest])
    return (
        f"embedding {now.embedding_loss:.3f}, class {now.classification_loss:.3f}, "
        f"good seeds {now.good_seeds:.0%}; {speed:.1f} images/s, loader alone {loader:.0f}"
    )

"""The live table under ``streamseg batch``, and the lines at its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.console import RenderableType

    from streamseg.batch import Progress

MOST_ROWS: Final = 8
"""Recordings in progress that are shown; a cluster has hundreds."""
MOST_NOT_SPLIT: Final = 5
"""Recordings that are named where they cannot be split."""


@contextmanager
def batch_table() -> Iterator[Callable[[Progress], None]]:
    """Show recordings done and failed, frames a second, time left and what is in progress.

    Yields:
        A function to call with the progress.
    """
    from rich.console import Console
    from rich.live import Live

    console = Console(stderr=True)
    with Live(console=console, refresh_per_second=4, transient=True) as live:
        yield lambda progress: live.update(table_of(progress))


def table_of(progress: Progress) -> RenderableType:
    """One moment of the table."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    rows = Table("recording", "frames", "", box=None, pad_edge=False)
    for running in progress.running[:MOST_ROWS]:
        of = f"/{running.expected}" if running.expected else ""
        bar = ProgressBar(max(running.expected, running.frames, 1), running.frames, width=20)
        source = Text(running.source, overflow="ellipsis", no_wrap=True)
        rows.add_row(source, f"{running.frames}{of}", bar)
    if len(progress.running) > MOST_ROWS:
        rows.add_row(f"and {len(progress.running) - MOST_ROWS} more")
    return Group(Text(status(progress)), rows)


def status(progress: Progress) -> str:
    """The line above the table."""
    parts = [f"{progress.skipped + progress.done}/{progress.recordings} recordings"]
    if progress.failures:
        parts.append(f"{len(progress.failures)} failed")
    if not progress.worker:
        parts.append("starting workers")
    else:
        parts.append(
            f"{progress.workers} workers, {progress.frames_per_second:.1f} frames/s in all"
        )
    if progress.seconds_left is not None:
        parts.append(f"{duration(progress.seconds_left)} left")
    return ", ".join(parts)


def lines(progress: Progress, *, stopped: bool) -> list[str]:
    """The lines that are printed at the end of a run."""
    counts = f"{progress.done} done, {progress.skipped} skipped as done before"
    lost = len(progress.failures)
    left = progress.recordings - progress.done - progress.skipped - lost
    found = [
        f"{'stopped: ' if stopped else ''}{progress.recordings} recordings: {counts}, "
        f"{lost} failed" + (f", {left} not done" if left else ""),
    ]
    if progress.frames:
        found.append(
            f"{progress.frames} frames in {duration(progress.seconds)}, "
            f"{progress.frames_per_second:.1f} frames/s in all, workers with {progress.worker}"
        )
    found += [f"not split: {reason}" for reason in progress.not_split[:MOST_NOT_SPLIT]]
    if (more := len(progress.not_split) - MOST_NOT_SPLIT) > 0:
        found.append(f"not split: {more} more, see _summary.json")
    found += [
        f"failed (attempts: {failure.tries}): {failure.source}: {failure.error}"
        for failure in progress.failures
    ]
    return found


def duration(seconds: float) -> str:
    """Hours, minutes and seconds.

    >>> duration(3725.4)
    '1:02:05'
    """
    return str(timedelta(seconds=round(seconds)))

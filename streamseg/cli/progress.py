"""The live line under a running segmentation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from streamseg.cli.summary import Summary


@contextmanager
def frame_progress(expected: int | None) -> Iterator[Callable[[Summary], None]]:
    """Show frames done, frames a second, latency and instances on stderr.

    Args:
        expected: number of frames; None where it is not known, as with cameras.

    Yields:
        A function to call after every frame.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as TimeLeft

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[state]}"), TimeLeft())
    console = Console(stderr=True)
    with Progress(*columns, console=console, refresh_per_second=5, transient=True) as progress:
        task = progress.add_task("", total=expected, state="")

        def show(summary: Summary) -> None:
            progress.update(
                task,
                completed=summary.frames,
                state=f"{summary.fps():.1f} fps, {summary.latency_ms():.0f} ms, "
                f"{summary.latest_instances} instances",
            )

        yield show

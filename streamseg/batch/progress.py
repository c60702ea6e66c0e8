"""What becomes of the recordings of a run: counts while it goes on, and the summary at its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias

from streamseg.batch.inputs import Recording
from streamseg.batch.worker import Outcome


@dataclass(frozen=True)
class Failure:
    """A recording that was given up."""

    source: str
    error: str
    tries: int


@dataclass(frozen=True)
class Running:
    """A recording in progress."""

    source: str
    frames: int
    expected: int
    """Frames of it, 0 where that is not known."""


@dataclass(frozen=True)
class Progress:
    """How far a run is."""

    recordings: int
    """All that were found."""
    skipped: int
    """Done in an earlier run."""
    done: int
    """Done in this run."""
    failures: tuple[Failure, ...]
    retried: int
    """Tries that failed, and were followed by another."""
    frames: int
    """Of this run, those of recordings in progress included."""
    seconds: float
    seconds_left: float | None
    """An estimate, by the sizes of the recordings; None before anything is done."""
    running: tuple[Running, ...]
    workers: int
    """Those that are ready."""
    worker: str
    """What a worker runs with, for people; empty before one is ready."""

    @property
    def frames_per_second(self) -> float:
        """Of all workers, over the whole run."""
        return self.frames / self.seconds if self.seconds else 0.0


OnProgress: TypeAlias = Callable[[Progress], object]


@dataclass(frozen=True)
class BatchSummary:
    """What became of a run; ``_summary.json`` holds the same."""

    recordings: int
    skipped: int
    done: int
    failures: tuple[Failure, ...]
    retried: int
    frames: int
    """Of the recordings that were done in this run."""
    seconds: float
    """Of the whole run."""
    start_seconds: float
    """Until the first worker was ready: Ray starts, and the model is loaded."""
    frames_per_second: float
    workers: int
    """Most that were busy at once."""
    worker: str
    stopped: bool
    """Whether it ended before all recordings were tried: by Ctrl-C, or with an error."""
    model_sha256: str
    options: dict[str, Any]
    streamseg_version: str

    def to_json(self) -> dict[str, Any]:
        """All fields."""
        return asdict(self)


@dataclass(eq=False)
class Task:
    """A recording to be done, and how often that was tried."""

    recording: Recording
    tries: int = 0
    frames: int = 0
    """Done in this try."""
    expected: int = 0

    @property
    def part(self) -> float:
        """The part of it that is done."""
        return min(self.frames / self.expected, 1.0) if self.expected else 0.0


@dataclass(eq=False)
class Tally:
    """Counts what becomes of recordings."""

    recordings: int
    skipped: int
    to_do_bytes: int
    retries: int
    done: int = 0
    unchanged: int = 0
    frames: int = 0
    retried: int = 0
    failures: list[Failure] = field(default_factory=list)
    worker: str = ""
    start_seconds: float = 0.0
    most_workers: int = 0
    _done_bytes: int = 0
    _started: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._started

    def welcome(self, worker: str) -> None:
        """Note that a worker is ready, and what it runs with."""
        if not self.worker:
            self.worker, self.start_seconds = worker, self.seconds

    def finish(self, task: Task, outcome: Outcome) -> bool:
        """Count the end of a try.

        Returns:
            Whether the recording is to be tried again.
        """
        task.tries += 1
        task.frames = 0
        if outcome.state in ("done", "unchanged"):
            self.done += outcome.state == "done"
            self.unchanged += outcome.state == "unchanged"
            self.frames += outcome.frames
        elif task.tries <= self.retries:
            self.retried += 1
            return True
        else:
            source = task.recording.source
            self.failures.append(Failure(source, outcome.error, task.tries))
        self._done_bytes += task.recording.size
        return False

    def progress(self, running: Collection[Task], workers: int) -> Progress:
        """How far it is.

        Args:
            running: what is in progress.
            workers: number of those that are ready.
        """
        self.most_workers = max(self.most_workers, workers)
        done_bytes = self._done_bytes + sum(task.part * task.recording.size for task in running)
        left = None
        if done_bytes > 0:
            left = self.seconds * max(self.to_do_bytes - done_bytes, 0) / done_bytes
        return Progress(
            recordings=self.recordings,
            skipped=self.skipped + self.unchanged,
            done=self.done,
            failures=tuple(self.failures),
            retried=self.retried,
            frames=self.frames + sum(task.frames for task in running),
            seconds=self.seconds,
            seconds_left=left,
            running=tuple(
                Running(task.recording.source, task.frames, task.expected) for task in running
            ),
            workers=workers,
            worker=self.worker,
        )

"""What becomes of the recordings of a run: counts while it goes on, and the summary at its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias

from streamseg.batch.tasks import Outcome, Task


@dataclass(frozen=True)
class Failure:
    """A recording that was given up."""

    source: str
    error: str
    tries: int


@dataclass(frozen=True)
class Running:
    """A recording or chunk in progress."""

    source: str
    """The recording; of a chunk, with its times in brackets."""
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
    not_split: tuple[str, ...]
    """Long recordings that cannot be split into chunks, each with the reason."""
    frames: int
    """Of this run, those of recordings in progress included."""
    seconds: float
    seconds_left: float | None
    """An estimate, by the sizes of the recordings; None before anything is done."""
    running: tuple[Running, ...]
    workers: int
    """Those that have a recording or chunk."""
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
    not_split: tuple[str, ...]
    """Long recordings that cannot be split into chunks, each with the reason."""
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
class RunCounts:
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
    not_split: list[str] = field(default_factory=list)
    worker: str = ""
    start_seconds: float = 0.0
    most_workers: int = 0
    _done_bytes: float = 0.0
    _chunk_frames: int = 0
    """Of chunks that are done, and not joined yet."""
    _started: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._started

    def note_ready(self, worker: str) -> None:
        """Note that a worker is ready, and what it runs with."""
        if not self.worker:
            self.worker, self.start_seconds = worker, self.seconds

    def finish(self, task: Task, outcome: Outcome) -> bool:
        """Count the end of a try.

        Returns:
            Whether it is to be tried again.
        """
        task.tries += 1
        task.frames = 0
        split = task.split
        if split is not None and split.is_lost:
            return False
        if outcome.not_split:
            self.not_split.append(f"{task.recording.source}: {outcome.not_split}")
        if outcome.state == "failed":
            if task.tries <= self.retries:
                self.retried += 1
                return True
            error = outcome.error
            if split is not None:
                split.is_lost = True
                error = f"{task.chunk or 'joining chunks'}: {error}"
            self.failures.append(Failure(task.recording.source, error, task.tries))
        elif split is not None and task.chunk is not None:
            split.done += 1
            split.frames += outcome.frames
            split.bytes += task.bytes
            split.seconds += outcome.seconds
            self._chunk_frames += outcome.frames
            self._done_bytes += task.bytes
            return False
        else:
            self.done += outcome.state == "done"
            self.unchanged += outcome.state == "unchanged"
            self.frames += outcome.frames
        self._done_bytes += task.recording.size
        if split is not None:
            self._chunk_frames -= split.frames
            self._done_bytes -= split.bytes
        return False

    def progress(self, running: Collection[Task], workers: int) -> Progress:
        """How far it is.

        Args:
            running: what is in progress.
            workers: number of those that are busy.
        """
        self.most_workers = max(self.most_workers, workers)
        done_bytes = self._done_bytes + sum(task.bytes_done for task in running)
        running_frames = sum(task.frames for task in running if not task.is_joining)
        left = None
        if done_bytes > 0:
            left = self.seconds * max(self.to_do_bytes - done_bytes, 0) / done_bytes
        return Progress(
            recordings=self.recordings,
            skipped=self.skipped + self.unchanged,
            done=self.done,
            failures=tuple(self.failures),
            retried=self.retried,
            not_split=tuple(self.not_split),
            frames=self.frames + self._chunk_frames + running_frames,
            seconds=self.seconds,
            seconds_left=left,
            running=tuple(Running(str(task), task.frames, task.expected) for task in running),
            workers=workers,
            worker=self.worker,
        )

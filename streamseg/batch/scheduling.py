"""Hand recordings to workers on Ray, replace workers that die, and retry what they lost."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from streamseg.batch.cluster import last_line
from streamseg.batch.job import VERSION
from streamseg.batch.progress import OnProgress, RunCounts
from streamseg.batch.tasks import Outcome, Split, Task
from streamseg.errors import ConfigError, StreamsegError

if TYPE_CHECKING:
    from ray import ObjectRef
    from ray.actor import ActorHandle

POLL_SECONDS: Final = 0.5
STOP_SECONDS: Final = 5.0
"""Time in seconds for workers to stop and delete their files before they are killed."""
MOST_FAILED_STARTS: Final = 3
"""After this number of failed starts in a row, no more workers are started."""


@dataclass(eq=False)
class _Member:
    """A worker and its task."""

    actor: ActorHandle[Any]
    task: Task | None = None
    """None while it loads the model or cleans up."""
    asked: ObjectRef[Any] | None = None
    """Call for its progress that is not answered yet; None if there is none."""
    is_leaving: bool = False
    """Whether it is deleting its files because no task is left."""


class Scheduler:
    """Keeps a number of workers busy until all recordings are done or given up."""

    def __init__(
        self,
        start_worker: Callable[[], ActorHandle[Any]],
        workers: int,
        tasks: Iterable[Task],
        counts: RunCounts,
        on_progress: OnProgress,
    ) -> None:
        """Store the arguments; Ray must be connected.

        Args:
            start_worker: starts a ``Worker``, which may take a while to come.
            workers: how many there are to be.
            tasks: what to do, in this order.
            counts: what becomes of the tasks.
            on_progress: called at least every half second.
        """
        self._start_worker, self._workers = start_worker, workers
        self._waiting = deque(tasks)
        self._counts, self._on_progress = counts, on_progress
        self._members: dict[ObjectRef[Any], _Member] = {}
        self._failed_starts: list[Exception] = []

    def run(self) -> None:
        """Do all tasks; workers are gone afterwards, also after Ctrl-C or an error.

        Raises:
            StreamsegError: a worker cannot load the model.
            ConfigError: no worker can be started.
        """
        import ray

        try:
            while self._waiting or any(member.task for member in self._members.values()):
                self._start_missing()
                done, _ = ray.wait(list(self._members), num_returns=1, timeout=POLL_SECONDS)
                for ref in done:
                    self._take(ref)
                self._poll()
        finally:
            self._end()

    def _start_missing(self) -> None:
        if len(self._failed_starts) >= MOST_FAILED_STARTS:
            if self._members:
                return
            raise ConfigError(
                "no worker can be started; is streamseg[batch] installed on all machines? "
                f"{last_line(self._failed_starts[-1])}"
            )
        busy = sum(member.task is not None for member in self._members.values())
        while len(self._members) < min(self._workers, busy + len(self._waiting)):
            actor = self._start_worker()
            self._members[actor.prepare.remote(VERSION)] = _Member(actor)

    def _take(self, ref: ObjectRef[Any]) -> None:
        """Take what a worker answers, and give it something to do."""
        import ray
        from ray.exceptions import RayError, RayTaskError

        member = self._members.pop(ref)
        try:
            answer = ray.get(ref)
        except RayTaskError as error:
            if isinstance(error.cause, StreamsegError):
                ray.kill(member.actor)
                raise error.cause from None
            self._lose(member, error)
            return
        except RayError as error:
            self._lose(member, error)
            return
        if member.task is None:
            if not member.is_leaving:
                self._counts.note_ready(answer)
                self._failed_starts.clear()
        else:
            self._finish(member.task, answer)
            member.task = None
        if self._waiting:
            task = member.task = self._waiting.popleft()
            member.asked = None  # its answer would be about the previous task
            member.is_leaving = False
            task.frames = task.expected = 0
            self._members[self._call(member.actor, task)] = member
        elif not member.is_leaving:
            member.is_leaving = True
            self._members[member.actor.release.remote()] = member
        else:
            ray.kill(member.actor)

    def _call(self, actor: ActorHandle[Any], task: Task) -> ObjectRef[Any]:
        """Let a worker begin with a task."""
        recording, split = task.recording, task.split
        if split is None:
            return actor.segment.remote(recording)
        if task.chunk is not None:
            return actor.segment_chunk.remote(recording, task.chunk)
        return actor.join.remote(recording, split.chunks, split.sha256, split.seconds)

    def _finish(self, task: Task, outcome: Outcome) -> None:
        """Count the end of a try, and queue the tasks that follow from it."""
        recording, split = task.recording, task.split
        if outcome.state == "split":
            split = Split(outcome.chunks, outcome.sha256)
            tasks = [Task(recording, split, chunk) for chunk in split.chunks]
            self._waiting.extendleft(reversed(tasks))
        elif self._counts.finish(task, outcome):
            # a new try of a recording goes to the end, one of a chunk to the front
            if split is None:
                self._waiting.append(task)
            else:  # other chunks wait on the disk until it is done, or given up
                self._waiting.appendleft(task)
        elif split is not None and split.is_lost:
            self._waiting = deque(other for other in self._waiting if other.split is not split)
        elif task.chunk is not None and split is not None and split.is_complete:
            self._waiting.appendleft(Task(recording, split))

    def _lose(self, member: _Member, error: Exception) -> None:
        """Count what a dead worker had as failed."""
        import ray

        ray.kill(member.actor)
        if member.task is not None:
            self._finish(member.task, Outcome("failed", error=why_lost(error)))
        elif not member.is_leaving:
            self._failed_starts.append(error)

    def _poll(self) -> None:
        """Ask the busy workers how far they are, and report."""
        import ray
        from ray.exceptions import RayError

        busy = [member for member in self._members.values() if member.task is not None]
        asked = [member.asked for member in busy if member.asked is not None]
        answered = set(ray.wait(asked, num_returns=len(asked), timeout=0)[0]) if asked else set()
        for member in busy:
            if member.asked in answered:
                try:
                    progress = ray.get(member.asked)
                except RayError:
                    continue  # it has died, as its call will tell
                member.asked = None
                if member.task is not None:
                    member.task.frames, member.task.expected = progress
            if member.asked is None:
                member.asked = member.actor.progress.remote()
        tasks = [member.task for member in busy if member.task is not None]
        self._on_progress(self._counts.progress(tasks, len(busy)))

    def _end(self) -> None:
        """Let the workers give up what they have, and end them."""
        import ray

        if not ray.is_initialized():
            return
        for member in self._members.values():
            if member.task is not None:
                member.actor.stop.remote()
        busy = [ref for ref, member in self._members.items() if member.task or member.is_leaving]
        if busy:
            ray.wait(busy, num_returns=len(busy), timeout=STOP_SECONDS)
        for member in self._members.values():
            ray.kill(member.actor)


def why_lost(error: Exception) -> str:
    """Say in one line why a worker died."""
    from ray.exceptions import OutOfMemoryError

    if isinstance(error, OutOfMemoryError):
        return "its worker was killed, as the machine was out of memory"
    return "its worker died: it crashed or was killed, or its machine was lost"

"""What a run counts and reports, without Ray: workers and Ray are stubs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from drives import write_drive

from streamseg.batch.inputs import find_recordings
from streamseg.batch.progress import Progress, RunCounts
from streamseg.batch.scheduling import Scheduler
from streamseg.batch.tasks import Outcome, Split, Task
from streamseg.video.chunks import Chunk

FRAMES = 12


@dataclass(frozen=True, eq=False)
class Call:
    """A call of a worker, answered a number of turns after it."""

    answer: object
    ready_at: int


class StubRay:
    """Calls take turns: each wait for the members is one."""

    def __init__(self) -> None:
        self.turn = 0

    def wait(
        self, calls: list[Call], *, num_returns: int, timeout: float
    ) -> tuple[list[Call], list[Call]]:
        self.turn += timeout > 0
        ready = [call for call in calls if call.ready_at <= self.turn]
        return ready, [call for call in calls if call not in ready]

    def get(self, call: Call) -> object:
        return call.answer

    def kill(self, actor: object) -> None:
        pass

    def is_initialized(self) -> bool:
        return False


class StubActor:
    """Segments a recording in two turns, and answers two turns later how far it is."""

    def __init__(self, ray: StubRay) -> None:
        self.prepare = self.method(ray, "stub", 0)
        self.segment = self.method(ray, Outcome("done", frames=FRAMES), 2)
        self.progress = self.method(ray, (7, FRAMES), 2)
        self.release = self.method(ray, None, 0)

    @staticmethod
    def method(ray: StubRay, answer: object, turns: int) -> Any:
        return SimpleNamespace(remote=lambda *arguments: Call(answer, ray.turn + turns))


def test_frames_of_a_task_are_not_counted_again_with_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = pytest.importorskip("ray")
    stub = StubRay()
    for name in ("wait", "get", "kill", "is_initialized"):
        monkeypatch.setattr(ray, name, getattr(stub, name))
    for number in range(2):
        write_drive(tmp_path / f"{number}.mp4", frames=2)
    tasks = [Task(recording) for recording in find_recordings([tmp_path])]
    counts = RunCounts(recordings=2, skipped=0, to_do_bytes=1, retries=0)
    seen: list[Progress] = []
    Scheduler(lambda: StubActor(stub), 1, tasks, counts, seen.append).run()
    assert [progress.done for progress in seen] == [0, 0, 1, 1, 2]
    # the first question is answered when the second recording has begun
    assert [progress.frames for progress in seen] == [0, 0, FRAMES, FRAMES, 2 * FRAMES]


def test_a_chunk_that_is_given_up_is_reported_once_with_its_times(tmp_path: Path) -> None:
    (recording,) = find_recordings([write_drive(tmp_path / "a.mp4", frames=2)])
    chunks = tuple(Chunk(n, n, n + 1, None, 60.0 * n, 60.0 * (n + 1)) for n in range(3))
    split = Split(chunks, "hash")
    counts = RunCounts(recordings=1, skipped=0, to_do_bytes=recording.size, retries=1)
    first, second, third = (Task(recording, split, chunk) for chunk in chunks)
    assert not counts.finish(first, Outcome("done", frames=7))
    assert counts.progress([second], 1).frames == 7
    assert counts.progress([second], 1).running[0].source.endswith("a.mp4 (0:01:00 to 0:02:00)")
    assert counts.finish(second, Outcome("failed", error="damaged"))
    assert not counts.finish(second, Outcome("failed", error="damaged"))
    assert not counts.finish(third, Outcome("failed", error="damaged"))
    last = counts.progress([], 0)
    assert (last.done, last.frames) == (0, 0)
    assert last.seconds_left == pytest.approx(0, abs=1e-9)
    (failure,) = last.failures
    assert (failure.error, failure.tries) == ("0:01:00 to 0:02:00: damaged", 2)
    assert failure.source == recording.source

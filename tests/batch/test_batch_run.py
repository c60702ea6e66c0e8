"""``streamseg.batch.run`` and the command on a Ray of this machine."""

from __future__ import annotations

import json
import os
import signal
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from camera_servers import wait_until
from drives import FRAMES, SIZE, rows_of, write_drive

from streamseg import batch
from streamseg.cli.main import main

pytestmark = [
    pytest.mark.ray,
    pytest.mark.usefixtures("ray_here", "quick_polls"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray"),
]

LONG = 400
"""Frames of a recording that is still in progress when a test looks at it."""


@pytest.fixture(scope="module")
def ray_here() -> Iterator[None]:
    """Ray on this machine with two CPUs, whatever cores there are; ``batch.run`` uses it.

    There is one for all tests, as its start takes seconds.
    """
    pytest.importorskip("ray")
    from streamseg.batch import cluster

    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")
        patch.setattr(cluster, "usable_cores", lambda: 2)
        with cluster.connected(None):
            yield


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Three recordings, one of them long."""
    for number, frames in enumerate((FRAMES, LONG, FRAMES)):
        write_drive(tmp_path / f"archive/{number}.mp4", number, frames)
    return tmp_path / "archive"


@pytest.fixture
def run(colour_model: str, archive: Path) -> Callable[..., batch.BatchSummary]:
    def run_batch(out: Path, **options: Any) -> batch.BatchSummary:
        options = {"model": colour_model, "runtime": "onnx", "size": SIZE, "workers": 1, **options}
        return batch.run(archive, out, **options)

    return run_batch


def kill_worker() -> None:
    """Kill one process that segments."""
    import psutil

    workers = [p for p in psutil.process_iter(["name"]) if p.info["name"] == "ray::Worker"]
    workers += [p for p in psutil.process_iter(["name"]) if "ray::Worker." in p.info["name"]]
    os.kill(workers[0].pid, signal.SIGKILL)


def test_a_killed_worker_loses_nothing_and_a_second_run_skips_all(
    run: Callable[..., batch.BatchSummary], archive: Path, tmp_path: Path
) -> None:
    (archive / "broken.mp4").write_text("no video" * 100)
    killed: list[str] = []

    def kill_once(progress: batch.Progress) -> None:
        for running in progress.running:
            if not killed and running.expected == LONG and running.frames > 5:
                killed.append(running.source)
                kill_worker()

    disturbed = run(tmp_path / "disturbed", retries=1, workers=2, on_progress=kill_once)
    assert killed
    assert (disturbed.done, disturbed.skipped, disturbed.retried) == (3, 0, 2)
    assert [Path(f.source).name for f in disturbed.failures] == ["broken.mp4"]
    assert disturbed.failures[0].tries == 2
    assert "broken.mp4" in disturbed.failures[0].error
    assert json.loads((tmp_path / "disturbed/_summary.json").read_text())["done"] == 3
    assert disturbed.frames == LONG + 2 * FRAMES

    (archive / "broken.mp4").unlink()
    undisturbed = run(tmp_path / "undisturbed")
    assert (undisturbed.done, undisturbed.retried, undisturbed.failures) == (3, 0, ())
    assert rows_of(tmp_path / "disturbed") == rows_of(tmp_path / "undisturbed")
    assert not list((tmp_path / "disturbed/_partial").glob("*"))

    again = run(tmp_path / "undisturbed")
    assert (again.done, again.skipped, again.frames, again.workers) == (0, 3, 0, 0)
    (archive / "0.mp4").touch()
    write_drive(archive / "2.mp4", 3)
    touched = run(tmp_path / "undisturbed")
    assert (touched.done, touched.skipped, touched.frames) == (1, 2, FRAMES)


def test_a_worker_that_is_killed_loses_its_chunk_only(
    run: Callable[..., batch.BatchSummary], archive: Path, tmp_path: Path
) -> None:
    write_drive(archive / "1.mp4", 1, LONG, key_every=25)
    killed: list[int] = []

    def kill_once(progress: batch.Progress) -> None:
        in_chunks = [running for running in progress.running if " to " in running.source]
        if not killed and any(0 < running.frames < running.expected for running in in_chunks):
            killed.append(progress.frames)
            kill_worker()

    chunked = run(tmp_path / "chunked", chunk_seconds=3, workers=2, on_progress=kill_once)
    assert killed
    assert (chunked.done, chunked.failures, chunked.not_split) == (3, (), ())
    assert chunked.retried == 1
    assert chunked.frames == LONG + 2 * FRAMES
    whole = run(tmp_path / "whole", workers=2)
    assert whole.frames == chunked.frames
    assert rows_of(tmp_path / "chunked") == rows_of(tmp_path / "whole")
    assert not (tmp_path / "chunked/_partial").exists()
    # how the results were made does not make them others
    assert run(tmp_path / "chunked").skipped == 3


def test_the_command_shows_what_became_of_each_recording(
    archive: Path, colour_model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (archive / "1.mp4").write_text("no video" * 100)
    write_drive(archive / "2.mp4", frames=40, key_every=200)
    command = ["batch", str(archive / "*.mp4"), "--out", str(tmp_path / "out"), "--workers", "1"]
    command += ["--chunk-seconds", "0.5"]
    command += [
        "--model",
        colour_model,
        "--size",
        "160x96",
        "--retries",
        "0",
        "--save",
        "jsonl",
        "--save",
        "jsonl",
    ]
    assert main(command) == 1
    said = capsys.readouterr().err
    assert "3 recordings: 2 done, 0 skipped as done before, 1 failed" in said
    assert "failed (attempts: 1)" in said
    assert f"not split: {archive}/2.mp4: it has no key frames to split at" in said
    assert "1.mp4" in said
    assert len(list((tmp_path / "out").glob("recording=*/part.jsonl"))) == 2


def test_ctrl_c_keeps_what_is_done_and_the_next_run_goes_on(
    run: Callable[..., batch.BatchSummary], tmp_path: Path
) -> None:
    def interrupt(progress: batch.Progress) -> None:
        if progress.done == 1 and any(running.frames for running in progress.running):
            raise KeyboardInterrupt

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "out", on_progress=interrupt)
    summary = json.loads((tmp_path / "out/_summary.json").read_text())
    assert summary["stopped"]
    assert summary["done"] == 1
    assert len(rows_of(tmp_path / "out", "0-")) >= FRAMES
    assert not rows_of(tmp_path / "out", "1-")
    rest = run(tmp_path / "out")
    assert (rest.done, rest.skipped) == (2, 1)
    assert time.monotonic() - started < 120


def test_the_summary_counts_no_frames_of_a_recording_that_is_not_joined(
    run: Callable[..., batch.BatchSummary], archive: Path, tmp_path: Path
) -> None:
    write_drive(archive / "1.mp4", 1, LONG, key_every=25)

    def interrupt(progress: batch.Progress) -> None:
        in_tasks = sum(running.frames for running in progress.running)
        if progress.frames - in_tasks > FRAMES:  # a chunk is done
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "out", chunk_seconds=3, on_progress=interrupt)
    summary = json.loads((tmp_path / "out/_summary.json").read_text())
    assert (summary["done"], summary["frames"]) == (1, FRAMES)
    assert summary["frames_per_second"] == pytest.approx(FRAMES / summary["seconds"], rel=0.01)


def test_a_model_that_cannot_be_loaded_ends_the_run(
    run: Callable[..., batch.BatchSummary], tmp_path: Path
) -> None:
    from streamseg.errors import ConfigError, ModelError

    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(ModelError, match=r"text\.onnx"):
        run(tmp_path / "out", model=tmp_path / "text.onnx")
    with pytest.raises(ConfigError, match="unicorn"):
        run(tmp_path / "out", classes=["unicorn"])


def test_workers_that_die_at_the_start_end_the_run(archive: Path) -> None:
    import ray

    from streamseg.batch.inputs import find_recordings
    from streamseg.batch.progress import RunCounts
    from streamseg.batch.scheduling import Scheduler
    from streamseg.batch.tasks import Task
    from streamseg.errors import ConfigError

    class Dying:
        def prepare(self, version: str) -> None:
            os._exit(1)

    tasks = [Task(recording) for recording in find_recordings([archive])]
    counts = RunCounts(recordings=3, skipped=0, to_do_bytes=0, retries=0)
    actor = ray.remote(Dying)
    scheduler = Scheduler(lambda: actor.remote(), 1, tasks, counts, lambda _: None)
    with pytest.raises(ConfigError, match="no worker can be started"):
        scheduler.run()


def test_a_worker_that_refuses_to_start_is_ended(archive: Path) -> None:
    import ray
    from ray.exceptions import RayActorError

    from streamseg.batch.inputs import find_recordings
    from streamseg.batch.progress import RunCounts
    from streamseg.batch.scheduling import Scheduler
    from streamseg.batch.tasks import Task
    from streamseg.errors import ConfigError

    class Refusing:
        def prepare(self, version: str) -> None:
            raise ConfigError("another version")

    actor = ray.remote(Refusing).remote()
    tasks = [Task(recording) for recording in find_recordings([archive])]
    counts = RunCounts(recordings=3, skipped=0, to_do_bytes=0, retries=0)
    with pytest.raises(ConfigError, match="another version"):
        Scheduler(lambda: actor, 1, tasks, counts, lambda _: None).run()

    def is_gone() -> bool:
        try:
            ray.get(actor.prepare.remote(""), timeout=20)
        except RayActorError:
            return True
        except ConfigError:  # Ray ends it a moment later
            return False
        return False

    wait_until(is_gone)


@pytest.mark.parametrize("wrong", [{"workers": 0}, {"batch_size": 0}])
def test_a_step_of_ray_data_needs_workers_and_images(wrong: dict[str, Any]) -> None:
    import ray

    from streamseg.errors import ConfigError

    images = ray.data.from_items([{"image": 0}])
    with pytest.raises(ConfigError, match=f"{next(iter(wrong))} must be at least 1, got 0"):
        batch.segment_dataset(images, images="image", **wrong)


def test_a_ray_data_set_of_images_gets_instances(colour_model: str, tmp_path: Path) -> None:
    import ray
    from drives import drive

    options: dict[str, Any] = {"model": colour_model, "size": SIZE}
    recording = write_drive(tmp_path / "a.mp4")
    images = ray.data.from_items([{"image": image, "id": n} for n, image in enumerate(drive(0, 2))])
    rows = batch.segment_dataset(images, images="image", **options).take_all()
    assert [row["id"] for row in rows] == [0, 1]
    assert sorted(i["class"] for i in rows[0]["instances"]) == ["car", "person"]
    assert rows[0]["instances"][0]["area_px"] == pytest.approx(32 * 32, abs=64)

    paths = ray.data.from_items([{"path": str(recording)}])
    segmented = batch.segment_dataset(paths, recordings="path", **options).take_all()
    assert {row["index"] for row in segmented} == set(range(FRAMES))
    assert {row["source"] for row in segmented} == {str(recording)}

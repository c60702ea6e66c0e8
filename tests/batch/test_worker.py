from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from threading import Timer
from typing import Any

import fsspec
import pytest
from drives import FRAMES, SIZE, drive, rows_of, write_drive
from PIL import Image as PillowImage

from streamseg import __version__
from streamseg.batch import worker as worker_module
from streamseg.batch.entry import Entry
from streamseg.batch.files import content_hash, sweep_temporary
from streamseg.batch.inputs import Recording, find_recordings
from streamseg.batch.job import Job, model_hash
from streamseg.batch.shares import Shares
from streamseg.batch.store import Store
from streamseg.batch.worker import Worker
from streamseg.errors import ConfigError
from streamseg.loading import load

pytest.importorskip("pyarrow")


@pytest.fixture
def make_worker(colour_model: str, tmp_path: Path) -> Callable[..., tuple[Worker, Store]]:
    """A worker in this process that writes to ``out``."""

    def make(*formats: str, out: str = "", **options: Any) -> tuple[Worker, Store]:
        formats = formats or ("parquet",)
        job = Job(formats=formats, model=colour_model, runtime="onnx", size=SIZE, **options)
        store = Store(out or str(tmp_path / "out"))
        worker = Worker(job, store, model_hash(colour_model), Shares())
        worker.prepare(__version__)
        return worker, store

    return make


def one(source: str | Path) -> Recording:
    (recording,) = find_recordings([source])
    return recording


def entry_of(store: Store, recording: Recording) -> Entry | None:
    return store.entries([recording.name]).get(recording.name)


def test_results_are_those_of_a_run(
    make_worker: Callable[..., tuple[Worker, Store]], colour_model: str, tmp_path: Path
) -> None:
    worker, store = make_worker("parquet", "jsonl", "coco", "mots-png", "video")
    recording = one(write_drive(tmp_path / "a.mp4"))
    outcome = worker.segment(recording)
    assert (outcome.state, outcome.frames) == ("done", FRAMES)
    assert worker.progress() == (FRAMES, FRAMES)
    folder = tmp_path / f"out/recording={recording.name}"
    assert {path.name for path in folder.iterdir()} == {
        "part.parquet", "part.jsonl", "coco.json", "mots-png", "part.mp4", "_recording.json",
    }  # fmt: skip
    with load(colour_model, runtime="onnx", size=SIZE) as segmenter:
        expected = [
            (result.index, instance.name, instance.box, instance.rle()["counts"])
            for result in segmenter.stream(recording.source)
            for instance in result.instances
        ]
    rows = rows_of(tmp_path / "out")
    assert [
        (r["index"], r["name"], (r["x0"], r["y0"], r["x1"], r["y1"]), r["rle_counts"]) for r in rows
    ] == expected
    assert {"car-1", "person-1"} <= {row["name"] for row in rows}
    assert {row["source"] for row in rows} == {recording.source}
    entry = entry_of(store, recording)
    assert entry is not None
    assert entry.frames == FRAMES
    assert entry.has_seen(recording)
    lines = (folder / "part.jsonl").read_text().splitlines()
    assert [json.loads(line)["index"] for line in lines] == list(range(FRAMES))


def test_a_pipeline_reads_all_recordings_as_one_table(
    make_worker: Callable[..., tuple[Worker, Store]], tmp_path: Path
) -> None:
    from pyarrow import dataset

    worker, store = make_worker()
    recordings = [one(write_drive(tmp_path / f"{n}.mp4", n)) for n in range(2)]
    with store.claimed():
        for recording in recordings:
            worker.segment(recording)
        store.write_summary("{}")
        table = dataset.dataset(tmp_path / "out", partitioning="hive").to_table()
    assert set(table["recording"].to_pylist()) == {recording.name for recording in recordings}


def test_a_touched_file_is_not_segmented_again_but_a_changed_one_is(
    make_worker: Callable[..., tuple[Worker, Store]], tmp_path: Path
) -> None:
    worker, store = make_worker()
    path = write_drive(tmp_path / "a.mp4")
    worker.segment(one(path))
    os.utime(path, (1, 1))
    touched = one(path)
    entry = entry_of(store, touched)
    assert entry is not None
    assert not entry.has_seen(touched)
    assert worker.segment(touched).state == "unchanged"
    entry = entry_of(store, touched)
    assert entry is not None
    assert entry.has_seen(touched)
    write_drive(path, 1)
    assert worker.segment(one(path)).state == "done"


def test_what_a_worker_wrote_just_before_it_died_is_not_done_again(
    make_worker: Callable[..., tuple[Worker, Store]], tmp_path: Path
) -> None:
    (worker, store), (other, _) = make_worker(), make_worker()
    recording = one(write_drive(tmp_path / "a.mp4"))
    worker.segment(recording)
    made = entry_of(store, recording)
    retried = other.segment(recording)
    assert (retried.state, retried.frames) == ("done", FRAMES)
    assert entry_of(store, recording) == made
    assert other.progress() == (0, 0), "nothing is segmented"


def test_a_recording_of_an_object_store_goes_to_another(
    make_worker: Callable[..., tuple[Worker, Store]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "copies").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "copies"))
    url = f"local://{tmp_path}/out"
    worker, store = make_worker("parquet", "mots-png", out=url)
    memory = fsspec.filesystem("memory")
    memory.pipe("/fleet/a.mp4", write_drive(tmp_path / "a.mp4").read_bytes())
    memory.pipe("/fleet/text.mp4", b"no video" * 100)
    try:
        recording = one("memory://fleet/a.mp4")
        with store.claimed():
            assert worker.segment(recording).state == "done"
            assert entry_of(store, recording) is not None
            outcome = worker.segment(one("memory://fleet/text.mp4"))
            assert "memory:///fleet/text.mp4" in outcome.error
            assert tempfile.gettempdir() not in outcome.error
            worker.release()
            assert not list(tmp_path.glob("copies/*"))
        assert {row["source"] for row in rows_of(tmp_path / "out")} == {"memory:///fleet/a.mp4"}
        assert len(list((tmp_path / "out").glob("*/mots-png/*.png"))) == FRAMES
    finally:
        memory.rm("/fleet", recursive=True)


def test_a_folder_of_images_is_one_recording(
    make_worker: Callable[..., tuple[Worker, Store]], tmp_path: Path
) -> None:
    worker, _ = make_worker()
    folder = tmp_path / "images"
    folder.mkdir()
    for index, image in enumerate(drive(0, 3)):
        PillowImage.fromarray(image).save(folder / f"{index}.png")
    assert worker.segment(one(folder)).frames == 3


def test_the_cameras_of_a_drive_recording(
    make_worker: Callable[..., tuple[Worker, Store]], tmp_path: Path
) -> None:
    pytest.importorskip("mcap_protobuf")
    from recorded_drives import compressed_shot, stamps, write_foxglove

    topics = ("/camera/front", "/camera/rear")
    shots = [
        compressed_shot(topic, "foxglove.CompressedImage", stamp_ns, "png", image)
        for stamp_ns, image in zip(stamps(3), drive(0, 3), strict=True)
        for topic in topics
    ]
    recording = one(write_foxglove(tmp_path / "drive.mcap", shots))
    worker, _ = make_worker("parquet", "mcap", topics=topics)
    assert worker.segment(recording).frames == 6
    rows = rows_of(tmp_path / "out")
    assert {row["source"] for row in rows} == {f"{recording.source}#{topic}" for topic in topics}
    assert {row["stamp_ns"] for row in rows} == set(stamps(3))
    assert list((tmp_path / "out").glob("*/part.mcap"))

    for unclear in ((), ("/camera/left",), ("/camera/front", "/camera/left")):
        worker, _ = make_worker(topics=unclear, out=str(tmp_path / "other"))
        outcome = worker.segment(recording)
        assert outcome.state == "failed"
        assert "/camera/front" in outcome.error
    assert not rows_of(tmp_path / "other")
    with pytest.raises(ConfigError, match="coco holds one camera only"):
        make_worker("coco", topics=topics)


def test_warnings_are_kept_in_the_entry(
    make_worker: Callable[..., tuple[Worker, Store]], tmp_path: Path
) -> None:
    worker, store = make_worker()
    folder = tmp_path / "images"
    folder.mkdir()
    for index, image in enumerate(drive(0, 2)):
        PillowImage.fromarray(image).save(folder / f"{index}.png")
    (folder / "2.png").write_bytes(b"")
    recording = one(folder)
    assert worker.segment(recording).frames == 2
    entry = entry_of(store, recording)
    assert entry is not None
    assert "2.png" in entry.notes[0]


def test_a_recording_that_cannot_be_read_fails_with_a_reason_and_leaves_nothing(
    make_worker: Callable[..., tuple[Worker, Store]], tmp_path: Path
) -> None:
    worker, _ = make_worker()
    (tmp_path / "text.mp4").write_text("no video" * 100)
    outcome = worker.segment(one(tmp_path / "text.mp4"))
    assert outcome.state == "failed"
    assert "text.mp4" in outcome.error
    assert not list((tmp_path / "out").rglob("*.parquet"))
    assert worker.segment(one(write_drive(tmp_path / "a.mp4"))).state == "done"


def test_a_recording_that_has_changed_since_it_was_found_is_not_segmented(
    make_worker: Callable[..., tuple[Worker, Store]], tmp_path: Path
) -> None:
    worker, _ = make_worker()
    path = write_drive(tmp_path / "a.mp4")
    recording = one(path)
    with path.open("ab") as file:
        file.write(b"more")
    outcome = worker.segment(recording)
    assert outcome.state == "failed"
    assert outcome.error == f"{path} has changed since the run began: run the command again"
    assert worker.progress() == (0, 0), "nothing is segmented"


def test_a_recording_that_grows_while_it_is_read_fails(
    make_worker: Callable[..., tuple[Worker, Store]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = write_drive(tmp_path / "a.mp4")

    def hash_and_grow(read: Path) -> str:
        digest = content_hash(read)
        with path.open("ab") as file:
            file.write(b"more")
        return digest

    monkeypatch.setattr(worker_module, "content_hash", hash_and_grow)
    worker, _ = make_worker()
    outcome = worker.segment(one(path))
    assert outcome.state == "failed"
    assert "has changed since the run began" in outcome.error
    assert worker.progress() == (FRAMES, FRAMES)
    assert not list((tmp_path / "out").rglob("*.parquet"))


def test_a_stopped_worker_leaves_nothing(
    make_worker: Callable[..., tuple[Worker, Store]], tmp_path: Path
) -> None:
    worker, _ = make_worker()
    Timer(0.2, worker.stop).start()
    outcome = worker.segment(one(write_drive(tmp_path / "a.mp4", frames=2000)))
    assert outcome.state == "stopped"
    assert not list((tmp_path / "out").rglob("*.parquet"))


def test_another_version_of_streamseg_is_refused(colour_model: str, tmp_path: Path) -> None:
    worker = Worker(Job(model=colour_model), Store(str(tmp_path)), "", Shares())
    with pytest.raises(ConfigError, match=r"have streamseg .*, and the run is of 9\.9"):
        worker.prepare("9.9")


def test_temporary_folders_of_killed_workers_are_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    code = """
from streamseg.batch.files import temporary_folder
with temporary_folder() as folder:
    print(folder, flush=True)
    input()
"""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        folder = Path(run.stdout.readline().strip())
        os.utime(folder, (1, 1))
        sweep_temporary()
        assert folder.exists()
        run.send_signal(signal.SIGKILL)
        run.wait()
    sweep_temporary()
    assert not folder.exists()


def test_a_temporary_folder_that_is_new_is_not_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    new, old = (tmp_path / f"streamseg-batch-{name}" for name in ("new", "old"))
    new.mkdir()
    old.touch()  # the lock of another worker, on a folder that was gone
    os.utime(old, (1, 1))
    sweep_temporary()
    assert (new.exists(), old.exists()) == (True, False)


def test_recordings_that_are_links_are_segmented(
    make_worker: Callable[..., tuple[Worker, Store]], tmp_path: Path
) -> None:
    worker, _ = make_worker()
    (tmp_path / "links").mkdir()
    (tmp_path / "links/a.mp4").symlink_to(write_drive(tmp_path / "a.mp4"))
    os.utime(tmp_path / "a.mp4", (1, 1))
    assert worker.segment(one(tmp_path / "links")).state == "done"

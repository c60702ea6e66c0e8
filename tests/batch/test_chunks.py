"""A recording that is done in chunks has the results of one that is done in one go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from drives import SIZE, drive, rows_of, write_drive
from media import read_video, scramble, write_video

from streamseg import __version__
from streamseg.batch.inputs import Recording, find_recordings
from streamseg.batch.job import Job, model_hash
from streamseg.batch.shares import Shares
from streamseg.batch.store import Store
from streamseg.batch.tasks import Outcome
from streamseg.batch.worker import Worker

pytest.importorskip("pyarrow")

FRAMES = 40
FORMATS = ("parquet", "jsonl", "coco", "mots", "video")


@pytest.fixture
def make_worker(colour_model: str, tmp_path: Path) -> Callable[..., tuple[Worker, Store]]:
    """A worker in this process, with the store that it writes to."""

    def make(store: Store | str, *formats: str, **options: Any) -> tuple[Worker, Store]:
        if isinstance(store, str):
            store = Store(store if "://" in store else str(tmp_path / store))
        options = {"model": colour_model, "runtime": "onnx", "size": SIZE, **options}
        job = Job(formats=formats or ("parquet",), **options)
        worker = Worker(job, store, model_hash(colour_model), Shares())
        worker.prepare(__version__)
        return worker, store

    return make


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    """Objects move through all of it; a key frame every 10 frames."""
    return one(write_drive(tmp_path / "a.mp4", 6, FRAMES, key_every=10))


def one(source: str | Path) -> Recording:
    (recording,) = find_recordings([source])
    return recording


def join(worker: Worker, recording: Recording, *, others: Worker | None = None) -> Outcome:
    """Do all steps, the chunks from the last to the first."""
    split = worker.segment(recording)
    assert split.state == "split", split.error
    assert len(split.chunks) >= 3
    for chunk in reversed(split.chunks):
        outcome = (others if chunk.number % 2 and others else worker).segment_chunk(
            recording, chunk
        )
        assert outcome.state == "done", outcome.error
    return worker.join(recording, split.chunks, split.sha256, 1.0)


def folder_of(store: Store, recording: Recording) -> Path:
    return Path(store.place.path) / f"recording={recording.name}"


def test_all_formats_are_those_of_a_run_in_one_go_names_included(
    make_worker: Callable[..., tuple[Worker, Store]], recording: Recording
) -> None:
    whole_worker, whole = make_worker("whole", *FORMATS)
    assert whole_worker.segment(recording).frames == FRAMES
    worker, chunked = make_worker("chunked", *FORMATS, chunk_seconds=0.4)
    other, _ = make_worker(chunked, *FORMATS, chunk_seconds=0.4)
    with chunked.claimed():
        chunks = worker.segment(recording).chunks
        outcome = join(worker, recording, others=other)
        assert (outcome.state, outcome.frames) == ("done", FRAMES)
        assert not list(Path(chunked.place.path).glob("_partial/*/*"))
        # the chunks are gone: as when the worker dies before it can tell that it is done
        (entry,) = chunked.entries([recording.name]).values()
        again = other.join(recording, chunks, entry.sha256, 0.0)
        assert (again.state, again.frames) == ("done", FRAMES)
    ours, theirs = folder_of(chunked, recording), folder_of(whole, recording)
    assert {path.name for path in ours.iterdir()} == {path.name for path in theirs.iterdir()}
    rows = rows_of(ours.parent)
    assert rows == rows_of(theirs.parent)
    # the car moves through all chunks, and slivers at its edges get names of their own
    assert {row["index"] for row in rows if row["name"] == "car-1"} == set(range(FRAMES))
    assert len({row["name"] for row in rows}) > 2
    for name in ("part.jsonl", "coco.json", "mots.txt"):
        assert (ours / name).read_bytes() == (theirs / name).read_bytes()
    assert read_video(ours / "part.mp4") == read_video(theirs / "part.mp4")
    entries = [chunked.entries([recording.name]), whole.entries([recording.name])]
    made, expected = (entry[recording.name] for entry in entries)
    assert replace(made, seconds=0) == replace(expected, seconds=0)
    assert made.seconds >= 1.0


def test_frames_that_the_chunks_lack_are_segmented_when_they_are_joined(
    make_worker: Callable[..., tuple[Worker, Store]], recording: Recording
) -> None:
    whole_worker, whole = make_worker("whole")
    whole_worker.segment(recording)
    worker, store = make_worker("chunked", chunk_seconds=0.4)
    split = worker.segment(recording)
    for chunk in split.chunks:
        start = None if chunk.start is None else chunk.start + 1  # without its first frame
        assert worker.segment_chunk(recording, chunk._replace(start=start)).state == "done"
    assert worker.join(recording, split.chunks, split.sha256, 0.0).frames == FRAMES
    assert rows_of(Path(store.place.path)) == rows_of(Path(whole.place.path))
    (note,) = store.entries([recording.name])[recording.name].notes
    assert note.endswith(f"segmented while joining: {len(split.chunks) - 1}")


def test_frames_without_instances_are_joined(
    make_worker: Callable[..., tuple[Worker, Store]], tmp_path: Path
) -> None:
    images = drive(6, FRAMES)
    for index in range(8, 25):  # all frames of a chunk, and some of its neighbours
        images[index] = np.full_like(images[index], 90)
    times = [index / 25 for index in range(FRAMES)]
    recording = one(
        write_video(tmp_path / "a.mp4", times, images=images, codec_options={"g": "10"})
    )
    whole_worker, whole = make_worker("whole")
    whole_worker.segment(recording)
    worker, store = make_worker("chunked", chunk_seconds=0.4)
    outcome = join(worker, recording)
    assert (outcome.state, outcome.error) == ("done", "")
    rows = rows_of(Path(store.place.path))
    assert rows == rows_of(Path(whole.place.path))
    assert {row["index"] for row in rows} == {*range(8), *range(25, FRAMES)}


def test_damage_in_a_chunk_does_what_it_does_without_chunks(
    make_worker: Callable[..., tuple[Worker, Store]], tmp_path: Path
) -> None:
    path = scramble(write_drive(tmp_path / "a.mkv", frames=60, key_every=10), 0.5, 0.53)
    whole_worker, whole = make_worker("whole")
    whole_worker.segment(one(path))
    worker, store = make_worker("chunked", chunk_seconds=0.4)
    join(worker, one(path))
    ours, theirs = (rows_of(Path(each.place.path)) for each in (store, whole))
    assert [row["index"] for row in ours] == [row["index"] for row in theirs]
    notes = [each.entries([one(path).name])[one(path).name].notes for each in (store, whole)]
    assert notes[0] == notes[1] != ()


def test_the_cameras_of_a_drive_are_joined_in_the_order_of_their_stamps(
    make_worker: Callable[..., tuple[Worker, Store]], tmp_path: Path
) -> None:
    pytest.importorskip("mcap_protobuf")
    from recorded_drives import STEP_NS, compressed_shot, stamps, write_foxglove

    topics = ("/camera/front", "/camera/rear")
    shots = []
    for number, (stamp_ns, image) in enumerate(zip(stamps(30), drive(0, 30), strict=True)):
        shots.append(compressed_shot(topics[0], "foxglove.CompressedImage", stamp_ns, "png", image))
        if not 8 <= number < 22:  # the rear camera pauses for more than a chunk
            rear_ns = stamp_ns + STEP_NS // 3
            shots.append(
                compressed_shot(topics[1], "foxglove.CompressedImage", rear_ns, "png", image)
            )
    recording = one(write_foxglove(tmp_path / "drive.mcap", shots, chunk_size=2000))
    formats = ("jsonl", "mcap")
    whole_worker, whole = make_worker("whole", *formats, topics=topics)
    assert whole_worker.segment(recording).frames == 46
    worker, chunked = make_worker("chunked", *formats, topics=topics, chunk_seconds=0.3)
    assert join(worker, recording).frames == 46
    for name in ("part.jsonl", "part.mcap"):
        files = [folder_of(store, recording) / name for store in (chunked, whole)]
        assert files[0].read_bytes() == files[1].read_bytes()


def test_chunks_go_through_an_object_store_and_nothing_is_left_of_them(
    make_worker: Callable[..., tuple[Worker, Store]], recording: Recording, tmp_path: Path
) -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe("/fleet/a.mp4", Path(recording.source).read_bytes())
    try:
        remote = one("memory://fleet/a.mp4")
        worker, store = make_worker(f"local://{tmp_path}/out", chunk_seconds=0.4)
        with store.claimed():
            assert join(worker, remote).state == "done"
            worker.release()
        assert {row["source"] for row in rows_of(tmp_path / "out")} == {"memory:///fleet/a.mp4"}
        assert not list((tmp_path / "out/_partial").glob("*"))
    finally:
        memory.rm("/fleet", recursive=True)


def test_a_recording_that_cannot_be_split_is_done_in_one_go_with_the_reason(
    make_worker: Callable[..., tuple[Worker, Store]], tmp_path: Path
) -> None:
    worker, _ = make_worker("out", chunk_seconds=0.4)
    outcome = worker.segment(one(write_drive(tmp_path / "a.mp4", frames=40, key_every=200)))
    assert (outcome.state, outcome.frames) == ("done", 40)
    assert outcome.not_split == "it has no key frames to split at"
    short = worker.segment(one(write_drive(tmp_path / "b.mp4", frames=6)))
    assert (short.state, short.not_split) == ("done", "")


def test_a_chunk_that_is_gone_or_broken_fails_with_a_reason(
    make_worker: Callable[..., tuple[Worker, Store]], recording: Recording
) -> None:
    worker, store = make_worker("out", chunk_seconds=0.4)
    split = worker.segment(recording)
    for chunk in split.chunks:
        worker.segment_chunk(recording, chunk)
    (broken, *_) = sorted(Path(store.place.path).glob("_partial/chunks-*/*/*.parquet"))
    broken.write_bytes(broken.read_bytes()[:100])
    outcome = worker.join(recording, split.chunks, split.sha256, 0.0)
    assert (outcome.state, folder_of(store, recording).exists()) == ("failed", False)
    broken.unlink()
    outcome = worker.join(recording, split.chunks, split.sha256, 0.0)
    assert "000000.parquet is gone" in outcome.error
    Path(recording.source).write_bytes(b"another")
    outcome = worker.segment_chunk(recording, split.chunks[0])
    assert outcome.state == "failed"
    assert recording.source in outcome.error


def test_chunks_do_not_count_among_the_options_that_change_results() -> None:
    assert Job(chunk_seconds=60.0).options() == Job().options()

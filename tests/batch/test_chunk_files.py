"""What is read from the file of a chunk is what was written to it."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from streamseg.batch.chunk_files import ChunkWriter, FrameKey, read_chunk
from streamseg.errors import SinkError
from streamseg.frame import Frame, Image, Recorded
from streamseg.results import Segments

pytest.importorskip("pyarrow")

DIMS = 3
"""Of the embedding."""


def segments(count: int) -> Segments:
    """Instances that are columns of an image of 6×8 pixels."""
    label_map = np.zeros((6, 8), np.uint16)
    label_map[:, :count] = np.arange(1, count + 1)
    numbers = np.arange(count)
    return Segments(
        label_map=label_map,
        class_id=numbers + 1,
        score=np.linspace(1, 0.5, count, dtype=np.float32),
        box=np.stack((numbers, 0 * numbers, numbers + 1, 0 * numbers + 6), 1),
        area_px=np.full(count, 6),
        seed_yx=np.stack((0 * numbers, numbers), 1),
        tau=np.full(count, 0.7, np.float32),
        embedding=np.arange(count * DIMS, dtype=np.float32).reshape(count, DIMS),
    )


def frame(index: int, recorded: Recorded | None = None) -> Frame:
    def render(width: int, height: int) -> Image:
        return np.zeros((height, width, 3), np.uint8)

    return Frame(index, index / 25, 6, 8, render, recorded=recorded)


@pytest.mark.parametrize("counts", [(2, 0, 3), (0, 0), (), (1,) * 65])
def test_instances_are_read_as_they_were_written(counts: tuple[int, ...], tmp_path: Path) -> None:
    frames = [frame(index) for index in range(len(counts))]
    written = [segments(count) for count in counts]
    with ChunkWriter(tmp_path / "chunk.parquet") as writer:
        for each, found in zip(frames, written, strict=True):
            writer.write(each, found)
    writer.close()  # again: a no-op
    read = list(read_chunk(tmp_path / "chunk.parquet"))
    assert [key for key, _ in read] == [FrameKey.of(each) for each in frames]
    for (_, found), expected in zip(read, written, strict=True):
        for field in fields(Segments):
            ours, theirs = getattr(found, field.name), getattr(expected, field.name)
            assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype), field.name
            assert (ours == theirs).all(), field.name


def test_frames_of_a_drive_recording_have_topic_and_stamp(tmp_path: Path) -> None:
    recorded = Recorded(stamp_ns=5, log_ns=7, topic="/camera", frame_id="")
    with ChunkWriter(tmp_path / "chunk.parquet") as writer:
        writer.write(frame(0, recorded), segments(0))
    ((key, _),) = read_chunk(tmp_path / "chunk.parquet")
    assert key == FrameKey("/camera", 7, 5)


def test_a_file_that_cannot_be_created_is_named(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match=r"cannot write .*nowhere/chunk\.parquet"):
        ChunkWriter(tmp_path / "nowhere/chunk.parquet")

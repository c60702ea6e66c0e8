from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scene_results import make_result

from streamseg.errors import MissingExtraError, SinkError
from streamseg.formats.rerun import RerunWriter
from streamseg.frame import Recorded

COLUMNS = (
    "frame",
    "video_time",
    "Boxes2D:labels",
    "Boxes2D:half_sizes",
    "SegmentationImage:buffer",
    "EncodedImage:media_type",
)


def test_a_recording_holds_image_masks_and_named_boxes_on_both_timelines(tmp_path: Path) -> None:
    pytest.importorskip("rerun")
    reader = pytest.importorskip("rerun.chunk").RrdReader
    path = tmp_path / "out.rrd"
    with RerunWriter(path) as writer:
        for index, names in enumerate((["car-1", "dog-2"], [], ["dog-2"])):
            writer.write(make_result(index, names))
    recorded: dict[str, list[Any]] = {}
    for chunk in reader(path).stream():
        batch = chunk.to_record_batch()
        for name in set(COLUMNS) & set(batch.schema.names):
            values = batch.column(name)
            if name == "video_time":  # ns
                values = values.cast("int64")
            recorded.setdefault(f"{chunk.entity_path} {name}", []).extend(values.to_pylist())
    assert recorded["/video/boxes Boxes2D:labels"] == [
        ["car-1 90%", "dog-2 89%"],
        [],
        ["dog-2 90%"],
    ]
    assert recorded["/video/boxes Boxes2D:half_sizes"][2] == [[5.0, 5.0]]
    assert recorded["/video/boxes frame"] == [0, 1, 2]
    assert recorded["/video/boxes video_time"] == [0, 40_000_000, 80_000_000]
    assert len(recorded["/video/masks SegmentationImage:buffer"]) == 3
    assert recorded["/video EncodedImage:media_type"] == [["image/jpeg"]] * 3


def test_a_closed_writer_takes_no_frame(tmp_path: Path) -> None:
    pytest.importorskip("rerun")
    writer = RerunWriter(tmp_path / "out.rrd")
    writer.close()
    with pytest.raises(SinkError, match="it is closed already"):
        writer.write(make_result(0, ["car-1"]))


def test_the_stamps_of_a_drive_recording_are_a_timeline(tmp_path: Path) -> None:
    pytest.importorskip("rerun")
    reader = pytest.importorskip("rerun.chunk").RrdReader
    stamp_ns = 1_700_000_000_123_456_789
    result = make_result(0, ["car-1"])
    recorded = Recorded(stamp_ns, stamp_ns, "/camera", "")
    with RerunWriter(tmp_path / "out.rrd") as writer:
        writer.write(replace(result, frame=replace(result.frame, recorded=recorded)))
    batches = [chunk.to_record_batch() for chunk in reader(tmp_path / "out.rrd").stream()]
    times = [
        batch.column("stamp").cast("int64").to_pylist()
        for batch in batches
        if "stamp" in batch.schema.names
    ]
    assert times
    assert all(time == [stamp_ns] for time in times)


def test_unwritable_paths(tmp_path: Path) -> None:
    pytest.importorskip("rerun")
    with pytest.raises(SinkError, match=r"there is no folder .*missing; create it"):
        RerunWriter(tmp_path / "missing" / "out.rrd")


def test_without_rerun_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "rerun", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'streamseg\[rerun\]'"):
        RerunWriter(tmp_path / "out.rrd")

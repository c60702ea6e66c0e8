from __future__ import annotations

import json
import os
import secrets
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from pycocotools import mask as coco_mask
from scene_results import make_result

from streamseg.errors import MissingExtraError, SinkError
from streamseg.formats.jsonl import JsonlWriter
from streamseg.formats.parquet import ParquetWriter


def test_a_row_says_everything_about_an_instance(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "out.parquet"
    with ParquetWriter(path) as writer:
        for index, names in enumerate((["car-1", "dog-2"], [], ["dog-2"])):
            result = make_result(index, names)
            writer.write(replace(result, source="b.mp4", source_index=1))
    table = parquet.read_table(path)
    rows = table.to_pylist()
    assert [(row["index"], row["name"], row["track_id"]) for row in rows] == [
        (0, "car-1", 1),
        (0, "dog-2", 2),
        (2, "dog-2", 2),
    ]
    counts = rows[1].pop("rle_counts")
    assert coco_mask.toBbox({"size": [48, 64], "counts": counts}).tolist() == [14, 1, 10, 10]
    assert rows[1] == {
        "index": 0, "pts_seconds": 0.0, "stamp_ns": None, "height": 48, "width": 64,
        "name": "dog-2", "track_id": 2, "confirmed": True, "class": "dog", "class_id": 4,
        "score": pytest.approx(0.89), "x0": 14, "y0": 1, "x1": 24, "y1": 11,
        "area_px": 100, "seed_x": 19, "seed_y": 6, "tau": 0.75, "source": "b.mp4",
        "source_index": 1,
    }  # fmt: skip
    assert json.loads(table.schema.metadata[b"streamseg"]) == {"version": 1}


def test_a_name_that_is_no_text_is_written_as_one(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    named = replace(make_result(0, ["car-1"]), source=os.fsdecode(b"caf\xe9.mp4"))
    with ParquetWriter(tmp_path / "o.parquet") as table, JsonlWriter(tmp_path / "o.jsonl") as lines:
        table.write(named)
        lines.write(named)
    assert parquet.read_table(tmp_path / "o.parquet").to_pylist()[0]["source"] == "caf\ufffd.mp4"
    assert json.loads((tmp_path / "o.jsonl").read_text())["source"] == "caf\ufffd.mp4"


def test_rows_are_written_in_groups(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "out.parquet"
    with ParquetWriter(path) as writer:
        for index in range(600):
            writer.write(make_result(index, [f"car-{k + 1}" for k in range(16)]))
    groups = parquet.ParquetFile(path).metadata
    assert [groups.row_group(k).num_rows for k in range(groups.num_row_groups)] == [8192, 1408]


def test_without_instances_the_columns_are_there(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    with ParquetWriter(tmp_path / "out.parquet") as writer:
        writer.write(make_result(0, []))
    table = parquet.read_table(tmp_path / "out.parquet")
    assert table.num_rows == 0
    assert "rle_counts" in table.column_names


def test_an_exception_leaves_a_complete_file(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "out.parquet"
    with pytest.raises(KeyboardInterrupt), ParquetWriter(path) as writer:
        writer.write(make_result(0, ["car-1"]))
        raise KeyboardInterrupt
    assert parquet.read_table(path).num_rows == 1
    assert list(tmp_path.iterdir()) == [path]


def test_unwritable_paths(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    with pytest.raises(SinkError, match=r"there is no folder .*missing; create it"):
        ParquetWriter(tmp_path / "missing" / "out.parquet")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyarrow")
    path = tmp_path / "out.parquet"
    path.write_text("old")
    monkeypatch.setattr(secrets, "token_hex", lambda size: "0")
    (tmp_path / "out.0.partial.parquet").symlink_to("/dev/full")
    with pytest.raises(SinkError, match="No space left"), ParquetWriter(path) as writer:
        for index in range(600):
            writer.write(make_result(index, [f"car-{k + 1}" for k in range(16)]))
    assert path.read_text() == "old"


def test_without_pyarrow_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'streamseg\[parquet\]'"):
        ParquetWriter(tmp_path / "out.parquet")
    assert not list(tmp_path.iterdir())

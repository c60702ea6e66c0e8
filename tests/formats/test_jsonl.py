from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from streamseg.errors import SinkError
from streamseg.formats.jsonl import JsonlWriter
from streamseg.frame import Frame
from streamseg.results import FrameResult, Instance


def make_result(index: int = 0, pts_seconds: float = 0.0, *, empty: bool = False) -> FrameResult:
    """A frame of 37 by 53 with a disc that has a hole, and a square in the hole."""
    y, x = np.mgrid[:37, :53]
    distance = np.hypot(y - 18, x - 26)
    label_map = np.zeros((37, 53), np.uint16)
    if not empty:
        label_map[(distance < 16) & (distance > 8)] = 1
        label_map[15:22, 23:30] = 2
    instances = [
        Instance(
            name=name,
            class_name=name[:-2],
            class_id=class_id,
            track_id=track_id,
            is_confirmed=True,
            score=float(np.float32(score)),
            box=box,
            area_px=int((label_map == label).sum()),
            seed_yx=(box[1], 26),
            tau=float(np.float32(0.9)),
            embedding=np.zeros(4, np.float32),
            label=label,
            label_map=label_map,
        )
        for label, (name, class_id, track_id, score, box) in enumerate(
            [("car-1", 7, 1, 0.87654, (11, 3, 42, 34)), ("dog-3", 12, 5, 0.5, (23, 15, 30, 22))], 1
        )
    ]
    image = np.zeros((37, 53, 3), np.uint8)
    frame = Frame(index, pts_seconds, 37, 53, lambda width, height: image)
    return FrameResult(frame, label_map, () if empty else tuple(instances), 2, {"network": 1.0})


def read(path: Path) -> list[dict[str, Any]]:
    text = path.read_text(encoding="ascii")
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


# pycocotools 2.0.11 itself does not follow numpy 2 when it decodes.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_line_says_everything(tmp_path: Path) -> None:
    result = make_result(index=7, pts_seconds=123456.7890123)
    with JsonlWriter(tmp_path / "out.jsonl") as writer:
        writer.write(result)
    (line,) = read(tmp_path / "out.jsonl")
    rles = [instance.pop("rle") for instance in line["instances"]]
    assert line == {
        "version": 1,
        "index": 7,
        "pts_seconds": 123456.789012,
        "stamp_ns": None,
        "width": 53,
        "height": 37,
        "dropped": 2,
        "source": "",
        "source_index": 0,
        "instances": [
            {
                "name": "car-1",
                "track_id": 1,
                "confirmed": True,
                "class": "car",
                "class_id": 7,
                "score": 0.8765,
                "box": [11, 3, 42, 34],
                "area_px": result.instances[0].area_px,
                "seed": [26, 3],
                "tau": 0.9,
            },
            {
                "name": "dog-3",
                "track_id": 5,
                "confirmed": True,
                "class": "dog",
                "class_id": 12,
                "score": 0.5,
                "box": [23, 15, 30, 22],
                "area_px": 49,
                "seed": [26, 15],
                "tau": 0.9,
            },
        ],
    }
    for rle, instance in zip(rles, result.instances, strict=True):
        assert (coco_mask.decode(rle) == instance.mask).all()
        assert coco_mask.area(rle) == instance.area_px
        assert rle == instance.rle()


def test_lines_of_several_sources_say_which_they_are_of(tmp_path: Path) -> None:
    places = [("a.mp4", 0), ("rtsp://***@camera/live", 1), ("a.mp4", 0)]
    with JsonlWriter(tmp_path / "out.jsonl") as writer:
        for source, source_index in places:
            writer.write(replace(make_result(), source=source, source_index=source_index))
    lines = read(tmp_path / "out.jsonl")
    assert [(line["source"], line["source_index"]) for line in lines] == places


def test_one_line_for_each_frame_with_or_without_instances(tmp_path: Path) -> None:
    with JsonlWriter(str(tmp_path / "out.jsonl")) as writer:
        for index in range(5):
            writer.write(make_result(index, index / 30, empty=index == 3))
    lines = read(tmp_path / "out.jsonl")
    assert [line["index"] for line in lines] == [0, 1, 2, 3, 4]
    assert [line["pts_seconds"] for line in lines] == [0.0, 0.033333, 0.066667, 0.1, 0.133333]
    assert [len(line["instances"]) for line in lines] == [2, 2, 2, 0, 2]


def test_lines_are_complete_after_an_exception(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), JsonlWriter(tmp_path / "out.jsonl") as writer:
        writer.write(make_result(0))
        writer.write(make_result(1))
        raise KeyboardInterrupt
    assert len(read(tmp_path / "out.jsonl")) == 2


def test_a_result_that_cannot_be_encoded_leaves_no_half_line(tmp_path: Path) -> None:
    with JsonlWriter(tmp_path / "out.jsonl") as writer:
        writer.write(make_result(0))
        with pytest.raises(ValueError, match="not JSON compliant"):
            writer.write(make_result(1, float("nan")))
        writer.write(make_result(2))
    assert [line["index"] for line in read(tmp_path / "out.jsonl")] == [0, 2]


def test_lines_are_on_disk_before_the_file_is_closed(tmp_path: Path) -> None:
    with JsonlWriter(tmp_path / "out.jsonl") as writer:
        assert (tmp_path / "out.jsonl").exists()
        for index in range(3):
            writer.write(make_result(index))
            assert len(read(tmp_path / "out.jsonl")) == index + 1


def test_a_kill_leaves_whole_lines(tmp_path: Path) -> None:
    code = f"""
import os, runpy, signal
from streamseg.formats.jsonl import JsonlWriter
make_result = runpy.run_path({__file__!r})["make_result"]
writer = JsonlWriter({str(tmp_path / "out.jsonl")!r})
for index in range(50):
    writer.write(make_result(index))
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -signal.SIGKILL
    assert [line["index"] for line in read(tmp_path / "out.jsonl")] == list(range(50))


def test_standard_output_stays_open(capsys: pytest.CaptureFixture[str]) -> None:
    with JsonlWriter("-") as writer:
        writer.write(make_result(4))
    print("after")
    line, after = capsys.readouterr().out.splitlines()
    assert json.loads(line)["index"] == 4
    assert after == "after"


def test_unwritable_paths(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match=r"there is no folder .*missing; create it"):
        JsonlWriter(tmp_path / "missing" / "out.jsonl")
    with pytest.raises(SinkError, match="it is a folder; name a file in it"):
        JsonlWriter(tmp_path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_full_disk_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(SinkError, match="No space left"), JsonlWriter("/dev/full") as writer:
        writer.write(make_result())
    assert not caplog.text


def test_reader_that_goes_away_is_a_broken_pipe() -> None:
    # In a process of its own, because Python closes the pipe once more at its end.
    code = f"""
import os, runpy, sys
from streamseg.formats.jsonl import JsonlWriter
make_result = runpy.run_path({__file__!r})["make_result"]
reader, writer = os.pipe()
os.close(reader)
sys.stdout = os.fdopen(writer, "w")
try:
    JsonlWriter("-").write(make_result())
except BrokenPipeError:
    os._exit(7)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 7

"""Two runs that would write to the same place: the second is told, the first is unharmed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from fractions import Fraction
from pathlib import Path

import pytest
from media import quadrants, read_video
from scene_results import make_result

from streamseg.errors import SinkError
from streamseg.files.atomic_write import atomic_write
from streamseg.formats.opening import FORMATS, open_writer
from streamseg.video.sink import VideoSink


@pytest.mark.parametrize("name", FORMATS)
def test_the_second_writer_is_refused_and_the_first_completes(name: str, tmp_path: Path) -> None:
    pytest.importorskip({"rerun": "rerun", "parquet": "pyarrow", "mcap": "mcap"}.get(name, "json"))
    place = tmp_path / "out"
    with open_writer(name, place) as first:
        first.write(make_result(0, ["car-1"]))
        for path in (place, tmp_path / "." / "out"):
            with pytest.raises(SinkError, match="another run is writing it"):
                open_writer(name, path)
        first.write(make_result(1, ["car-1"]))
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    if name in ("coco", "youtube-vis"):
        assert len(json.loads(place.read_text())) == (2 if name == "coco" else 1)
    if name in ("jsonl", "mots"):
        assert place.read_text().count("\n") == 2
    if name not in ("mots-png", "kitti-step", "voc"):  # which refuse a folder that is not empty
        open_writer(name, place).close()


def test_the_second_video_is_refused_and_the_first_completes(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    with VideoSink(path, 64, 48, time_base=Fraction(1, 25), rate=None) as sink:
        sink.write(quadrants(), 0)
        with pytest.raises(SinkError, match="another run is writing it"):
            VideoSink(path, 64, 48, time_base=Fraction(1, 25), rate=None)
        sink.write(quadrants(), 0.04)
    assert len(read_video(path)[0]) == 2


CHILD = """
import sys
from streamseg.errors import SinkError
from streamseg.formats.opening import open_writer
try:
    writer = open_writer("coco", sys.argv[1])
except SinkError:
    sys.exit(3)
import os
os._exit(0)  # as a kill
"""


def test_another_process_is_refused_and_a_killed_one_keeps_nobody_away(tmp_path: Path) -> None:
    place = tmp_path / "out.json"
    command = [sys.executable, "-c", CHILD, str(place)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with open_writer("coco", place):
        assert subprocess.run(command, env=environment, check=False).returncode == 3
    assert subprocess.run(command, env=environment, check=False).returncode == 0
    open_writer("coco", place).close()
    assert json.loads(place.read_text()) == []


def test_files_replaced_at_the_same_time_are_whole(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    both = threading.Barrier(2)

    def write(letter: str) -> None:
        with atomic_write(path) as partial:
            partial.write_text(letter)
            both.wait(5)
            assert partial.read_text() == letter
            both.wait(5)

    threads = [threading.Thread(target=write, args=(letter,)) for letter in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_text() in "ab"
    assert list(tmp_path.iterdir()) == [path]

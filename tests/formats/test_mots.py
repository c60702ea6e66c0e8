from __future__ import annotations

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask
from scene_results import make_result

from streamseg.errors import SinkError
from streamseg.formats.mots import MotsPngWriter, MotsTextWriter

SCENES = (("car-4", "person-2"), ("person-2",), (), ("car-9", "person-2", "car-4", "dog-3"))


def write_text(path: Path) -> Path:
    with MotsTextWriter(path) as writer:
        for index, names in enumerate(SCENES):
            writer.write(make_result(index, names))
    return path


def test_a_line_holds_frame_id_class_size_and_mask(tmp_path: Path) -> None:
    lines = [line.split(" ") for line in write_text(tmp_path / "0000.txt").read_text().splitlines()]
    assert [line[:5] for line in lines] == [
        ["0", "1001", "1", "48", "64"],
        ["0", "2001", "2", "48", "64"],
        ["1", "2001", "2", "48", "64"],
        ["3", "1002", "1", "48", "64"],
        ["3", "2001", "2", "48", "64"],
        ["3", "1001", "1", "48", "64"],
    ]
    assert [coco_mask.area({"size": [48, 64], "counts": line[5]}) for line in lines] == [100] * 6


def test_trackeval_finds_every_track(tmp_path: Path) -> None:
    trackeval = pytest.importorskip("trackeval")
    (tmp_path / "gt" / "label_02").mkdir(parents=True)
    (tmp_path / "trackers" / "streamseg" / "data").mkdir(parents=True)
    written = write_text(tmp_path / "trackers" / "streamseg" / "data" / "0000.txt")
    shutil.copy(written, tmp_path / "gt" / "label_02" / "0000.txt")
    dataset = trackeval.datasets.KittiMOTS(
        {
            "GT_FOLDER": str(tmp_path / "gt"),
            "TRACKERS_FOLDER": str(tmp_path / "trackers"),
            "SEQ_INFO": {"0000": len(SCENES)},
            "PRINT_CONFIG": False,
        }
    )
    raw = dataset.get_raw_seq_data("streamseg", "0000")
    for name, objects in (("car", 2), ("pedestrian", 1)):
        data = dataset.get_preprocessed_seq_data(raw, name)
        assert data["num_tracker_ids"] == objects
        assert data["num_tracker_dets"] == 3
        assert trackeval.metrics.HOTA().eval_sequence(data)["HOTA"].min() == pytest.approx(1)


def test_png_pixels_are_the_ids_of_the_text(tmp_path: Path) -> None:
    with MotsPngWriter(tmp_path / "out") as writer:
        for index, names in enumerate(SCENES):
            writer.write(make_result(index, names))
    assert [path.name for path in sorted((tmp_path / "out").iterdir())] == [
        f"{index:06d}.png" for index in range(4)
    ]
    image = Image.open(tmp_path / "out" / "000003.png")
    assert image.size == (64, 48)
    assert (tmp_path / "out" / "000003.png").read_bytes()[24] == 16  # bits of a pixel
    ids = np.array(image)
    result = make_result(3, SCENES[3])
    for instance, id_ in zip(result.instances, (1002, 2001, 1001, 0), strict=True):
        assert (ids[instance.mask] == id_).all()
    assert set(np.unique(ids)) == {0, 1001, 1002, 2001}
    assert not np.array(Image.open(tmp_path / "out" / "000002.png")).any()


def test_tracks_beyond_the_ids_are_left_out_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING), MotsTextWriter(tmp_path / "0000.txt") as writer:
        for index in range(1001):
            writer.write(make_result(index, [f"car-{index + 1}", "person-5000"]))
        writer.write(make_result(1001, ["car-1"]))
    ids = [int(line.split()[1]) for line in (tmp_path / "0000.txt").read_text().splitlines()]
    assert sorted(set(ids)) == [*range(1001, 2000), 2001]
    assert ids[-1] == 1001
    assert caplog.messages == ["MOTS: masks left out: 2 of tracks beyond 999 of a class"]


def test_a_track_is_written_from_when_it_is_confirmed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING), MotsTextWriter(tmp_path / "0000.txt") as writer:
        writer.write(make_result(0, ["car-1", "car-2"], unconfirmed=["car-1"]))
        writer.write(make_result(1, ["car-1", "car-2"]))
    lines = (tmp_path / "0000.txt").read_text().splitlines()
    assert [line.split()[:2] for line in lines] == [["0", "1001"], ["1", "1002"], ["1", "1001"]]
    assert caplog.messages == ["MOTS: masks left out: 1 of tracks that were not confirmed yet"]


def test_lines_are_on_disk_before_the_file_is_closed(tmp_path: Path) -> None:
    with MotsTextWriter(tmp_path / "0000.txt") as writer:
        writer.write(make_result(0, ["car-1", "car-2"]))
        assert (tmp_path / "0000.txt").read_text().count("\n") == 2


def test_folders_with_images_are_refused(tmp_path: Path) -> None:
    (tmp_path / "000007.png").touch()
    with pytest.raises(SinkError, match="holds PNG files already"):
        MotsPngWriter(tmp_path)
    with pytest.raises(SinkError, match="there is no folder"):
        MotsPngWriter(tmp_path / "missing" / "out")
    with pytest.raises(SinkError, match="it is a file"):
        MotsPngWriter(tmp_path / "000007.png")

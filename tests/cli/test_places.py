"""No output is a source or another output, by whatever path."""

from __future__ import annotations

import os
from pathlib import Path

import PIL.Image
import pytest
from media import quadrants, write_video

from streamseg.cli.main import main
from streamseg.cli.outputs import Outputs
from streamseg.cli.places import check_places
from streamseg.errors import ConfigError, SinkError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With cam-1.mp4, a link and a hard link to it, a folder of images, and a second folder."""
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "cam-1.mp4")
    (tmp_path / "link.mp4").symlink_to("cam-1.mp4")
    os.link(tmp_path / "cam-1.mp4", tmp_path / "hard.mp4")
    (tmp_path / "images").mkdir()
    PIL.Image.fromarray(quadrants()).save(tmp_path / "images" / "7.jpg")
    (tmp_path / "again").symlink_to(tmp_path, target_is_directory=True)
    return tmp_path


@pytest.mark.parametrize(
    ("sources", "output"),
    [
        (["cam-1.mp4"], "video:cam-1.mp4"),
        (["cam-1.mp4"], "jsonl:./images/../cam-1.mp4"),
        (["cam-1.mp4"], "coco:link.mp4"),
        (["cam-1.mp4"], "parquet:hard.mp4"),
        (["link.mp4"], "mots:again/cam-1.mp4"),
        (["hard.mp4"], "rerun:cam-1.mp4"),
        (["file://{folder}/cam-1.mp4"], "youtube-vis:cam-1.mp4"),
        (["test-pattern:", "cam-1.mp4"], "video:cam.mp4"),  # the second becomes cam-1.mp4
        (["rtsp://camera/1", "test-pattern:", "link.mp4"], "jsonl:cam.mp4"),
        (["images"], "jsonl:images/7.jpg"),
        (["again/imag*/*.jpg"], "jsonl:images/7.jpg"),
        (["images"], "mots-png:images"),
        (["images"], "voc:images"),
    ],
)
def test_an_output_is_no_source(folder: Path, sources: list[str], output: str) -> None:
    name, _, place = output.partition(":")
    out = Path(place) if name == "video" else None
    with pytest.raises(SinkError, match=r"it is the source .*; choose another path"):
        Outputs(
            [source.format(folder=folder) for source in sources],
            out=out,
            saves=[] if out else [(name, place)],
        )


@pytest.mark.parametrize(
    "outputs",
    [
        ["jsonl:o", "coco:o"],
        ["jsonl:o", "coco:./o"],
        ["jsonl:o", "coco:again/o"],
        ["video:link.mp4", "jsonl:hard.mp4"],
        ["mots-png:o", "kitti-step:again/o/"],
        ["kitti-step:o/SegmentationClass", "voc:o"],
        ["mots-png:o", "jsonl:o/000000.png"],
        ["jsonl:-", "jsonl:-"],
    ],
)
def test_an_output_is_no_other_output(folder: Path, outputs: list[str]) -> None:
    pairs = [(name, place) for name, _, place in (text.partition(":") for text in outputs)]
    with pytest.raises(ConfigError, match="two outputs have the same path"):
        check_places(["test-pattern:"], pairs)


def test_other_places_are_free(folder: Path) -> None:
    outputs = [("video", "o.mp4"), ("jsonl", "cam-1.jsonl"), ("voc", "o"), ("coco", "images/o")]
    check_places(["cam-1.mp4"], outputs)
    check_places(["images"], outputs)
    check_places(["cam-1.mp4"], [("video", "cam.mp4")])


def test_a_run_refuses_before_anything_is_opened(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = Path("cam-1.mp4").read_bytes()
    assert main(["run", "cam-1.mp4", "--jsonl", "link.mp4", "--model", "none.onnx"]) == 1
    assert "cannot write link.mp4: it is the source cam-1.mp4" in capsys.readouterr().err
    assert main(["run", "nowhere.mp4", "cam-1.mp4", "--out", "cam.mp4"]) == 1
    assert "cannot write cam-1.mp4" in capsys.readouterr().err
    assert Path("cam-1.mp4").read_bytes() == before

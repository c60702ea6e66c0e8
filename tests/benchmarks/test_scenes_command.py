"""``python -m benchmarks.scenes`` with a network that tells classes by colour."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from colour_runtime import StoppableRuntime
from PIL import Image

import benchmarks.tracking_scenes.scenes
import streamseg.loading
from benchmarks.scenes import main
from streamseg.segmenter import Segmenter


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> StoppableRuntime:
    runtime = StoppableRuntime()
    monkeypatch.setattr(
        streamseg.loading, "load", lambda *_, **__: Segmenter(runtime, size=(160, 96))
    )

    class ShortScenes(benchmarks.tracking_scenes.scenes.Scenes):
        def __post_init__(self) -> None:
            object.__setattr__(self, "frames", 5)

    monkeypatch.setattr(benchmarks.tracking_scenes.scenes, "Scenes", ShortScenes)
    return runtime


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    """A red and a blue block on grey."""
    root = tmp_path / "voc"
    image = np.full((96, 160, 3), 128, np.uint8)
    objects = np.zeros((96, 160), np.uint8)
    for value, (colour, left) in enumerate([((240, 20, 20), 4), ((20, 20, 240), 40)], start=1):
        block = np.s_[16:64, left : left + 30]
        image[block], objects[block] = colour, value
    for folder, array in (
        ("JPEGImages/one.jpg", image),
        ("SegmentationObject/one.png", objects),
        ("SegmentationClass/one.png", objects),
    ):
        (root / folder).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(array).save(root / folder)
    (root / "ImageSets" / "Segmentation").mkdir(parents=True)
    (root / "ImageSets/Segmentation/val.txt").write_text("one\n")
    return root


def evaluate(voc: Path, *options: str) -> int:
    model = str(voc.parent / "model.onnx")
    return main(["2", "--data", str(voc), "--model", model, *options])


def test_names_are_scored_beside_those_of_plain_overlap(
    voc: Path, runtime: StoppableRuntime, capsys: pytest.CaptureFixture[str]
) -> None:
    out = voc.parent / "out"
    assert evaluate(voc, "--out", str(out)) == 0
    assert runtime.runs == 10
    printed = capsys.readouterr().out
    assert "sMOTSA" in printed
    assert "clips: 2 of 5 frames, 320x240\n" in printed
    assert "runtime: colours\n" in printed
    values = json.loads((out / "tracking.json").read_text())
    assert values["scores"]["streamseg"]["hota"] >= values["scores"]["mask overlap alone"]["hota"]
    assert values["scores"]["streamseg"]["hota"] > 0.1
    assert "mask overlap alone" in (out / "tracking.html").read_text()


def test_ctrl_c_scores_the_clips_that_were_done(
    voc: Path, runtime: StoppableRuntime, capsys: pytest.CaptureFixture[str]
) -> None:
    runtime.stop_at = 8
    assert evaluate(voc) == 130
    assert "clips: 1 of 5 frames, 320x240, STOPPED EARLY" in capsys.readouterr().out
    runtime.runs, runtime.stop_at = 0, 3
    assert evaluate(voc) == 130
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "options",
    [
        ["--proposals", "5"],
        ["--sweep", "seeds=5"],
        ["--min-area", "5"],
        ["--model", "a.onnx", "b.onnx"],
    ],
)
def test_options_for_images_are_refused(
    voc: Path,
    runtime: StoppableRuntime,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
) -> None:
    with pytest.raises(SystemExit, match="2"):
        evaluate(voc, *options)
    assert "unrecognized arguments: " in capsys.readouterr().err
    assert runtime.runs == 0

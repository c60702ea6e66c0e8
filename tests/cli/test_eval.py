"""``streamseg eval`` with a network that tells classes by colour."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from colour_runtime import StoppableRuntime
from PIL import Image

import streamseg.loading
from streamseg.cli.main import main
from streamseg.grouping.cpu import GroupingConfig
from streamseg.results import NetworkOutput
from streamseg.segmenter import Segmenter

RED, BLUE = (240, 20, 20), (20, 20, 240)
CLASS = {RED: 7, BLUE: 15}  # car, person


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> StoppableRuntime:
    runtime = StoppableRuntime()

    def load(_: Path, *, min_score: float, **__: Any) -> Segmenter:
        config = GroupingConfig(min_score=min_score)
        return Segmenter(runtime, size=(160, 96), grouping=config)

    monkeypatch.setattr(streamseg.loading, "load", load)
    return runtime


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    """Three images with a red and a blue block each; the model's card lists the first."""
    root = tmp_path / "voc"
    for folder in ("JPEGImages", "SegmentationClass", "SegmentationObject"):
        (root / folder).mkdir(parents=True)
    (root / "ImageSets" / "Segmentation").mkdir(parents=True)
    for number, name in enumerate(("one", "two", "three")):
        image = np.full((96, 160, 3), 128, np.uint8)
        objects, classes = np.zeros((2, 96, 160), np.uint8)
        for value, (colour, left) in enumerate([(RED, 16), (BLUE, 96)], start=1):
            block = np.s_[16:64, left : left + 40 + 4 * number]
            image[block], objects[block], classes[block] = colour, value, CLASS[colour]
        Image.fromarray(image).save(root / f"JPEGImages/{name}.jpg", quality=95)
        Image.fromarray(objects).save(root / f"SegmentationObject/{name}.png")
        Image.fromarray(classes).save(root / f"SegmentationClass/{name}.png")
    (root / "ImageSets/Segmentation/val.txt").write_text("one\ntwo\nthree\n")
    (root / "ImageSets/Segmentation/seen.txt").write_text("one\n")
    (root / "ImageSets/Segmentation/three.txt").write_text("three\n")
    (root / "GROUND_TRUTH.txt").write_text("blocks,\ndrawn by hand\n")
    (tmp_path / "model.json").write_text(json.dumps({"training_images": ["one", "elsewhere"]}))
    return root


def evaluate(voc: Path, *options: str) -> int:
    return main(["eval", "--data", str(voc), "--model", str(voc.parent / "model.onnx"), *options])


def test_the_report_is_one_page_that_needs_no_network(
    voc: Path, runtime: StoppableRuntime, capsys: pytest.CaptureFixture[str]
) -> None:
    out = voc.parent / "out" / "report"
    assert evaluate(voc, "--out", str(out)) == 0
    assert sorted(path.name for path in out.iterdir()) == ["report.html", "report.json"]
    values = json.loads((out / "report.json").read_text())
    assert values["images_evaluated"] == 2
    assert values["map_r"]["map_r"][4] > 0.5
    assert values["coco"]["ap_50"] > 0.5
    assert values["proposal_recall"]["recall"][0][0] == 1.0
    assert values["confusion"]["car"]["car"] == 2
    assert values["ground_truth"] == "blocks, drawn by hand"
    assert values["runtime"] == "colours"
    html = (out / "report.html").read_text()
    assert not re.search(r'(src|href)="(?!data:)', html)
    assert html.count("<svg") == 4  # two classes, two of recall
    assert html.count("data:image/jpeg;base64,") == 2
    for text in ("colours", "blocks, drawn by hand", "disjoint instances", "1 left out of"):
        assert text in html
    printed = capsys.readouterr().out
    assert "1 left out of the split" in printed
    assert "runtime: colours\n" in printed
    assert "2 of 3 in split val" in printed


def test_training_images_count_only_if_asked_for(
    voc: Path, runtime: StoppableRuntime, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(voc, "--split", "seen") == 1
    assert "trained on all 1 images" in capsys.readouterr().err
    assert evaluate(voc, "--split", "seen", "--include-training-images") == 0
    assert "1 of these images were trained on and INCLUDED" in capsys.readouterr().out
    (voc.parent / "model.json").unlink()
    assert evaluate(voc) == 0
    printed = capsys.readouterr().out
    assert "unknown: no card model.json lists any" in printed
    assert "3 of 3" in printed


def test_a_broken_card_is_one_clear_line(voc: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for text in ("{", '{"training_images": [1]}'):
        (voc.parent / "model.json").write_text(text)
        assert evaluate(voc) == 1
        assert "model.json" in capsys.readouterr().err


def test_another_ground_truth_has_another_digest(voc: Path, runtime: StoppableRuntime) -> None:
    digests = []
    for _ in range(2):
        assert evaluate(voc, "--out", str(voc.parent)) == 0
        digests.append(json.loads((voc.parent / "report.json").read_text())["ground_truth_sha256"])
        classes = voc / "SegmentationClass" / "two.png"
        changed = np.array(Image.open(classes))
        changed[changed == 15] = 3
        Image.fromarray(changed).save(classes)
    assert digests[0] != digests[1]


def test_ctrl_c_scores_what_was_done(voc: Path, runtime: StoppableRuntime) -> None:
    runtime.stop_at = 2
    assert evaluate(voc, "--out", str(voc.parent)) == 130
    values = json.loads((voc.parent / "report.json").read_text())
    assert (values["images_evaluated"], values["stopped"]) == (1, True)
    assert "STOPPED EARLY" in (voc.parent / "report.html").read_text()


def test_ctrl_c_before_the_first_image_writes_nothing(voc: Path, runtime: StoppableRuntime) -> None:
    runtime.stop_at = 1
    assert evaluate(voc, "--out", str(voc.parent / "out")) == 130
    assert list((voc.parent / "out").iterdir()) == []


def test_the_papers_setting_is_named(
    voc: Path, runtime: StoppableRuntime, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(voc, "--proposals", "7") == 0
    printed = capsys.readouterr().out
    assert "7 overlapping proposals per image" in printed
    assert re.search(r"^mean +4 +14 ", printed, re.MULTILINE)  # two images, seven each


@pytest.mark.parametrize(
    ("sweep", "values"),
    [("alpha=0:0.6:0.3", [0, 0.3, 0.6]), ("seeds=1,4", [1, 4])],
)
def test_a_sweep_runs_the_network_once_a_image(
    voc: Path, runtime: StoppableRuntime, sweep: str, values: list[float]
) -> None:
    assert evaluate(voc, "--sweep", sweep, "--out", str(voc.parent)) == 0
    assert runtime.runs == 2
    name = sweep.partition("=")[0]
    written = json.loads((voc.parent / f"sweep-{name}.json").read_text())
    assert [row["value"] for row in written["rows"]] == values
    assert "<svg" in (voc.parent / f"sweep-{name}.html").read_text()
    if name == "seeds":
        one, four = (row["scores"] for row in written["rows"])
        assert four[-1] > one[-1]


def test_a_sweep_of_seeds_agrees_with_asking_for_so_many(
    voc: Path, runtime: StoppableRuntime
) -> None:
    out = ("--out", str(voc.parent))
    assert evaluate(voc, "--sweep", "seeds=3,9", *out) == 0
    assert evaluate(voc, "--proposals", "3", *out) == 0
    swept = json.loads((voc.parent / "sweep-seeds.json").read_text())["rows"][0]["scores"]
    alone = json.loads((voc.parent / "report.json").read_text())["map_r"]
    assert swept[:3] == alone["map_r"][4:7]
    assert swept[3] == alone["map_vol"]


class WiderRuntime(StoppableRuntime):
    """Its embeddings are those of ``ColourRuntime``; dimensions beyond say nothing."""

    def __init__(self, embedding_dim: int) -> None:
        super().__init__()
        self.config = replace(self.config, embedding_dim=embedding_dim)

    def run(self, image: Any) -> NetworkOutput:
        output = super().run(image)
        more = self.config.embedding_dim - len(output.embeddings)
        return replace(output, embeddings=np.pad(output.embeddings, ((0, more), (0, 0), (0, 0))))


@pytest.fixture
def models(voc: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Named after the size of their embedding; between them they were trained on one and two."""

    def load(model: Path, *, min_score: float, **__: Any) -> Segmenter:
        runtime = WiderRuntime(int(model.stem))
        return Segmenter(runtime, size=(160, 96), grouping=GroupingConfig(min_score=min_score))

    monkeypatch.setattr(streamseg.loading, "load", load)
    for size, listed in ((8, "one"), (3, "two")):
        (voc.parent / f"{size}.json").write_text(json.dumps({"training_images": [listed]}))
    return [str(voc.parent / "8.onnx"), str(voc.parent / "3.onnx")]


def test_a_sweep_of_models_is_a_row_for_each_size_of_the_embedding(
    voc: Path, models: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    out = ("--out", str(voc.parent), "--proposals", "4")
    assert evaluate(voc, "--model", *models, "--sweep", "embedding_dim", *out) == 0
    written = json.loads((voc.parent / "sweep-embedding_dim.json").read_text())
    assert [row["value"] for row in written["rows"]] == [3, 8]
    assert written["images_evaluated"] == 1
    assert written["model"] == ", ".join(models)
    assert evaluate(voc, "--model", models[0], "--split", "three", *out) == 0
    alone = json.loads((voc.parent / "report.json").read_text())["map_r"]
    assert written["rows"][1]["scores"][:3] == alone["map_r"][4:7]
    assert "embedding_dim   mAP^r@0.5" in capsys.readouterr().out


def test_a_sweep_of_models_wants_different_ones(
    voc: Path, models: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(voc, "--model", models[0], models[0], "--sweep", "embedding_dim") == 1
    assert "models that differ in it, got 8, 8" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--sweep", "tau=1"], "alpha=..., seeds=... or embedding_dim"),
        (["--sweep", "alpha=0:1"], "first:last:step"),
        (["--sweep", "alpha=0:1:0"], "first:last:step"),
        (["--sweep", "alpha="], "first:last:step"),
        (["--sweep", "alpha=nan"], "first:last:step"),
        (["--sweep", "alpha=-0.1"], "alpha must be 0 or more"),
        (["--sweep", "seeds=0,1"], "whole numbers from 1"),
        (["--sweep", "seeds=1.5"], "whole numbers from 1"),
        (["--sweep", "seeds=1", "--proposals", "5"], "leave out --proposals"),
        (["--model", "2.onnx", "3.onnx"], "only --sweep embedding_dim"),
        (["--out", "/dev/null/report"], "/dev/null/report cannot be made"),
    ],
)
def test_wrong_options_are_one_clear_line(
    voc: Path,
    runtime: StoppableRuntime,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    message: str,
) -> None:
    assert evaluate(voc, *options) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert runtime.runs == 0

"""Any label set, from data to results: train, export, run, evaluate, write."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO
from squares import write_squares, write_untrained

import streamseg
from streamseg.cli.main import main
from streamseg.export import quantize
from streamseg.train.run_config import read_toml

pytestmark = [
    # pycocotools 2.0.11 itself does not follow numpy 2 when it decodes
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    # Python 3.12 and later warn of every fork that a data loader makes after torch started threads
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
]

SETTINGS = """\
[train]
steps = 20
batch_size = 4
crop_sizes = [64]
learning_rate = 5e-3
trunk_learning_rate = 2e-3
warmup = 0.1
class_weight_start = 0.0
class_weight_full = 0.1
ema_decay = 0.0
checkpoint_every = 10
"""


@pytest.fixture(scope="module")
def init(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_untrained(tmp_path_factory.mktemp("init") / "init.safetensors")


@pytest.mark.parametrize(
    "names", [("pallet",), ("forklift", "person", "pallet")], ids=["one", "three"]
)
def test_from_data_to_results(
    names: Sequence[str], init: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, run = tmp_path / "data", tmp_path / "run"
    for split in ("train", "val"):
        write_squares(data, names, split)
    (tmp_path / "run.toml").write_text(SETTINGS)
    train = ["train", "--data", str(data), "--val", str(data), "--out", str(run)]
    assert main([*train, "--init", init, "--config", str(tmp_path / "run.toml")]) == 0
    said = capsys.readouterr().out
    assert "category" in said
    assert "validation at step 10: mAP^r_vol" in said
    assert read_toml(run / "config.toml")["model"]["class_names"] == list(names)
    lines = [json.loads(line) for line in (run / "validation.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [10, 20]
    card = json.loads((run / "model.json").read_text())
    assert card["steps"] == max(lines, key=lambda line: float(line["score"]))["step"]
    with Image.open(run / "predictions.jpg") as sheet:
        assert sheet.size[0] > 600
    # after 20 steps the int8 model may rightly be refused
    assert (run / "model.int8.onnx").exists() or "no model.int8.onnx" in said

    evaluate = ["eval", "--data", str(data), "--model", str(run / "model.onnx")]
    assert main([*evaluate, "--out", str(tmp_path / "report")]) == 0
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert list(report["map_r"]["classes"]) == list(names)
    assert report["images_evaluated"] == 6

    with streamseg.load(run / "model.onnx", runtime="onnx", min_score=0.01) as segmenter:
        assert segmenter.config.class_names == tuple(names)
        writers = {
            name: streamseg.open_writer(name, tmp_path / name, names)
            for name in ("coco", "youtube-vis", "voc")
        }
        with segmenter.stream(data / "val") as results:
            found = list(results)
        for result in found:
            for writer in writers.values():
                writer.write(result)
        for writer in writers.values():
            writer.close()
    instances = [instance for result in found for instance in result.instances]
    assert {instance.class_name for instance in instances} <= set(names)
    numbers = {instance.class_id for instance in instances}
    assert all(instance.class_name == names[instance.class_id - 1] for instance in instances)
    categories = [{"id": k, "name": name} for k, name in enumerate(names, start=1)]
    for name in ("coco", "youtube-vis"):
        assert json.loads((tmp_path / f"{name}.categories.json").read_text()) == categories
    truth = COCO(str(data / "annotations" / "instances_val.json"))
    if instances:
        written = json.loads((tmp_path / "coco").read_text())
        for entry in written:
            entry["image_id"] += 100
        assert {entry["category_id"] for entry in written} == numbers
        assert len(truth.loadRes(written).anns) == len(instances)
    labels = (tmp_path / "voc" / "labelmap.txt").read_text().splitlines()
    assert labels[:2] == ["# label:color_rgb:parts:actions", "background:0,0,0::"]
    assert labels[2] == f"{names[0]}:128,0,0::"
    assert len(labels) == 2 + len(names)
    shown = set()
    for path in (tmp_path / "voc" / "SegmentationClass").iterdir():
        with Image.open(path) as image:
            shown |= set(np.unique(np.array(image)).tolist())
    assert shown - {0} == numbers


def test_300_classes_from_data_to_results(
    init: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    names = [f"part {k}" for k in range(1, 301)]
    data, run = tmp_path / "data", tmp_path / "run"
    write_squares(data, names, "train", ["part 300", "part 299", "part 256"])
    shown = ["part 300", "part 255", "part 256"]  # 255 is the void of object maps
    write_squares(data, names, "val", shown)
    (tmp_path / "run.toml").write_text(SETTINGS)
    train = ["train", "--data", str(data), "--out", str(run), "--init", init]
    assert main([*train, "--config", str(tmp_path / "run.toml")]) == 0
    model = str(run / "model.onnx")

    evaluate = ["eval", "--data", str(data), "--model", model, "--out", str(tmp_path / "report")]
    assert main(evaluate) == 0
    scores = json.loads((tmp_path / "report" / "report.json").read_text())["map_r"]["classes"]
    assert list(scores) == names
    assert [name for name in names if scores[name]["objects"]] == sorted(shown)
    assert all(scores[name]["objects"] == 6 for name in shown)

    for runtime in ("onnx", "openvino"):
        if runtime == "openvino":
            pytest.importorskip("openvino")
        with (
            streamseg.load(model, runtime=runtime, min_score=0.0) as segmenter,
            segmenter.stream(data / "val") as results,
        ):
            found = list(results)
        instances = [instance for result in found for instance in result.instances]
        assert all(names[instance.class_id - 1] == instance.class_name for instance in instances)
        assert max(instance.class_id for instance in instances) > 255

    assert len(streamseg.draw(found[0]).shape) == 3
    formats = ("coco", "youtube-vis", "jsonl", "parquet", "mots", "mots-png", "kitti-step")
    places = {name: tmp_path / name for name in formats}
    for name, place in places.items():
        with streamseg.open_writer(name, place, names) as writer:
            for result in found:
                writer.write(result)
    numbers = {instance.class_id for instance in instances}
    for name in ("coco", "youtube-vis"):
        entries = json.loads(places[name].read_text())
        assert {entry["category_id"] for entry in entries} == numbers
        categories = json.loads(places[name].with_suffix(".categories.json").read_text())
        assert categories[299] == {"id": 300, "name": "part 300"}
    lines = [json.loads(line) for line in places["jsonl"].read_text().splitlines()]
    assert {each["class_id"] for line in lines for each in line["instances"]} == numbers
    table = parquet.read_table(places["parquet"])
    assert set(table["class_id"].to_pylist()) == numbers

    capsys.readouterr()
    save = ["run", str(data / "val"), "--model", model, "--save", f"voc:{tmp_path / 'voc'}"]
    assert main(save) == 1
    said = capsys.readouterr().err
    assert "the format voc holds at most 254 classes, and the model has 300" in said
    assert main([*save, "--classes", "part 300,part 2"]) == 0


def test_a_table_of_classes_holds_for_training_and_evaluation(
    init: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data, run = tmp_path / "data", tmp_path / "run"
    write_squares(data, ("van", "pedestrian", "dont care"), "train")
    write_squares(data, ("van", "pedestrian", "rider"), "val")
    table = '[classes]\nVan = "car"\npedestrian = "person"\ndontcare = "void"\n'
    (tmp_path / "run.toml").write_text(SETTINGS.replace("steps = 20", "steps = 1") + table)
    train = ["train", "--data", str(data), "--out", str(run)]
    assert main([*train, "--init", init, "--config", str(tmp_path / "run.toml")]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[:4]]
    assert rows[0] == ["category", "objects", "becomes"]
    assert sorted(row[0] for row in rows[1:]) == ["dont", "pedestrian", "van"]
    assert {row[-1] for row in rows[1:]} == {"car", "person", "void"}
    # the table is remembered
    (run / "model.int8.onnx").write_bytes(b"of step 1")
    monkeypatch.setattr(quantize, "TOLERANCE", 0.0)
    assert main([*train, "--steps", "2"]) == 0
    assert "no model.int8.onnx: the 8-bit model differs" in capsys.readouterr().out
    assert not (run / "model.int8.onnx").exists()
    config = read_toml(run / "config.toml")
    assert config["model"]["class_names"] == ["car", "person"]
    assert config["classes"] == {"Van": "car", "pedestrian": "person", "dontcare": "void"}
    assert not (run / "predictions.jpg").exists()

    capsys.readouterr()
    evaluate = ["eval", "--data", str(data), "--model", str(run / "model.onnx")]
    assert main(evaluate) == 1
    assert "knows none of the classes of the data" in capsys.readouterr().err
    assert main([*evaluate, "--config", str(run / "config.toml")]) == 0
    said = capsys.readouterr().out
    assert re.search(r"^rider +6 +rider: the model lacks it, AP 0", said, re.MULTILINE)
    assert [line.split()[1] for line in said.splitlines() if line.startswith("rider ")] == ["6"] * 2

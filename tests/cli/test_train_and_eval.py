import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from streamseg.cli.main import main
from streamseg.train.run_config import read_toml
from streamseg.train.run_folder import training_alone


@pytest.fixture(scope="module")
def voc_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two images with a red car (class 7) and a blue person (15) each."""
    root = tmp_path_factory.mktemp("voc")
    for folder in (
        "JPEGImages",
        "SegmentationClass",
        "SegmentationObject",
        "ImageSets/Segmentation",
    ):
        (root / folder).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in ("one", "two"):
        image = rng.integers(100, 140, (96, 128, 3), dtype=np.uint8)
        objects, classes = np.zeros((2, 96, 128), np.uint8)
        for value, (left, colour, class_id) in enumerate(
            [(8, (220, 30, 30), 7), (72, (30, 30, 220), 15)], start=1
        ):
            part = np.s_[24:72, left : left + 40]
            image[part], objects[part], classes[part] = colour, value, class_id
        Image.fromarray(image).save(root / f"JPEGImages/{name}.jpg")
        Image.fromarray(objects).save(root / f"SegmentationObject/{name}.png")
        Image.fromarray(classes).save(root / f"SegmentationClass/{name}.png")
    for split in ("train", "val"):
        (root / f"ImageSets/Segmentation/{split}.txt").write_text("one\ntwo\n")
    return root


def test_train_leaves_a_model_that_eval_can_score(
    voc_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = tmp_path / "run"
    train = ["train", "--data", str(voc_folder), "--out", str(run)]
    file = tmp_path / "run.toml"
    file.write_text("[train]\nbatch_size = 2\ncrop_sizes = [96]\n[model]\nembedding_dim = 8\n")
    small = ["--config", str(file), "--set", "train.crop_sizes=[64]", "--val", str(voc_folder)]
    assert main([*train, "--steps", "2", *small]) == 0
    # after two steps quantization may rightly refuse; it must not spoil the rest
    assert (run / "model.int8.onnx").exists() or "no model.int8.onnx" in capsys.readouterr().out
    assert {"checkpoint.pt", "config.toml", "metrics.jsonl", "model.onnx", "model.safetensors"} <= {
        path.name for path in run.iterdir()
    }
    assert list((run / "tensorboard").glob("events.*"))
    # a run goes on with its own numbers
    with monkeypatch.context() as patch:  # the export takes half a minute, and was tested above
        patch.setattr("streamseg.cli.train.write", lambda _trainer: None)
        assert main([*train, "--steps", "3"]) == 0
    numbers = read_toml(run / "config.toml")
    assert {"steps": 3, "batch_size": 2, "crop_sizes": [64]}.items() <= numbers["train"].items()
    assert numbers["model"]["embedding_dim"] == 8
    assert main([*train, "--steps", "1"]) == 1
    assert "has done 3 steps already" in capsys.readouterr().err
    assert main([*train, "--set", "model.embedding_dim=9"]) == 1
    assert "another [model]" in capsys.readouterr().err
    steps = [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert steps == [0, 1, 2]

    evaluate = ["eval", "--data", str(voc_folder), "--model", str(run / "model.onnx")]
    assert main([*evaluate, "--size", "128x96"]) == 1  # its card lists both images
    assert "trained on all 2 images" in capsys.readouterr().err
    whole = [*evaluate, "--size", "128x96", "--include-training-images", "--out", str(tmp_path)]
    assert main(whole) == 0
    assert json.loads((tmp_path / "report.json").read_text())["images_evaluated"] == 2
    assert "person" in capsys.readouterr().out


def test_a_folder_without_data_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("train", "eval"):
        assert main([command, "--data", str(tmp_path / "nowhere")]) == 1
        assert "nowhere" in capsys.readouterr().err


def test_an_output_that_is_no_folder_is_one_clear_line(
    voc_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    for out, reason in (("file", "File exists"), ("file/run", "Not a directory")):
        command = ["train", "--data", str(voc_folder), "--out", str(tmp_path / out)]
        assert main([*command, "--steps", "1"]) == 1
        error = capsys.readouterr().err
        assert error.endswith(f"streamseg: cannot write to {tmp_path / out}: {reason}\n")


def test_two_runs_in_one_folder_are_refused(
    voc_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "runs" / "one"
    with training_alone(run):
        assert main(["train", "--data", str(voc_folder), "--out", str(run), "--steps", "1"]) == 1
    assert f"cannot write {run}: another run is writing it" in capsys.readouterr().err
    assert list(run.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--set", "train.lerning_rate=1"], "did you mean learning_rate?"),
        (["--set", "steps=1"], "did you mean train.steps?"),
        (["--config", "nowhere.toml"], "nowhere.toml cannot be read"),
        (["--init", "wumpus"], "model wumpus does not exist; the shipped model is called nano"),
        (["--device", "gpu"], "device must be one of auto, cpu, cuda, got 'gpu'"),
    ],
)
def test_a_configuration_that_cannot_be_meant_is_one_clear_line(
    options: list[str],
    message: str,
    voc_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["train", "--data", str(voc_folder), "--out", str(tmp_path), *options]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())

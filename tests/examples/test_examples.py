"""Each example runs as its docstring says, on small data."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import fake_cuda
import fake_tensorrt
import numpy as np
import pytest
from colour_model import write_colour_model
from dataset_files import write_voc
from media import quadrants
from recorded_drives import raw_shot, stamps, write_foxglove

import streamseg
from streamseg.release.manifest import Release, open_release

EXAMPLES = Path(__file__).parents[2] / "examples"
SUPPORT = Path(fake_tensorrt.__file__).parent
CLIP = "test-pattern:320x180@10?frames=12"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_colour_model(tmp_path_factory.mktemp("model") / "model.onnx")


def run(name: str, *arguments: str | Path, folder: Path) -> str:
    """What an example prints, run in a folder."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_examples_are_short_say_how_to_run_them_and_use_public_names_only(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 60
    tree = ast.parse(text)
    assert f"python examples/{path.name}" in (ast.get_docstring(tree) or "")
    imported = {
        name
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [str(node.module)]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert {name for name in imported if name.startswith("streamseg")} == {"streamseg"}
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "streamseg"
    }
    assert used <= set(streamseg.__all__)


def test_several_cameras(model: Path, tmp_path: Path) -> None:
    sources = ["test-pattern:320x180?frames=4", "test-pattern:160x96?frames=6"]
    printed = run("several_cameras.py", *sources, "--model", model, folder=tmp_path)
    assert "camera 0: " in printed
    assert "car-1" in printed
    assert "live" in printed
    lines = [(tmp_path / f"camera-{n}.jsonl").read_text().splitlines() for n in range(2)]
    assert [len(of_camera) for of_camera in lines] == [4, 6]
    assert {json.loads(line)["source_index"] for line in lines[1]} == {1}


def test_count_in_zone(model: Path, tmp_path: Path) -> None:
    pytest.importorskip("supervision")
    zone = ["0", "0", "320", "0", "320", "180", "0", "180"]
    printed = run("count_in_zone.py", CLIP, "--zone", *zone, "--model", model, folder=tmp_path)
    assert "car-1 enters" in printed
    assert "car: " in printed
    assert printed.count("car-1 enters") == 1
    assert (tmp_path / "zone.png").exists()


def test_with_asyncio(model: Path, tmp_path: Path) -> None:
    assert ": car-1" in run("with_asyncio.py", CLIP, "--model", model, folder=tmp_path)
    endless = ["test-pattern:160x96", "--seconds", "0.5"]
    assert "the time is over" in run("with_asyncio.py", *endless, "--model", model, folder=tmp_path)


def test_fine_tune(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from small_run import MODEL

    from streamseg.model.network import Network
    from streamseg.model.weights import save_safetensors

    weights = tmp_path / "small.safetensors"
    save_safetensors(weights, Network(MODEL).state_dict(), MODEL)
    objects = np.zeros((64, 96), np.uint8)
    objects[16:48, 20:60] = 1
    data = tmp_path / "data"
    for split in ("train", "val"):
        write_voc(data, {f"{split}{n}": (objects, 7 * objects) for n in range(2)}, split)
    small = ["--set", "train.crop_sizes=[64]", "--set", "train.batch_size=2"]
    arguments: list[str | Path] = [
        data,
        "test-pattern:96x64?frames=3",
        "--init",
        weights,
        "--steps",
        "2",
    ]
    assert "confirmed objects: " in run("fine_tune.py", *arguments, *small, folder=tmp_path)
    for file in ("runs/mine/model.onnx", "runs/mine/report/report.html", "mine.mp4"):
        assert (tmp_path / file).exists()
    assert len((tmp_path / "runs/mine/metrics.jsonl").read_text().splitlines()) == 2


def test_vehicle(compiled_release: Release, fake_driver: Path, tmp_path: Path) -> None:
    if not find_spec("cuda") or not find_spec("cuda.bindings"):
        pytest.skip("cuda-bindings is not installed")
    folder = tmp_path / "release"
    shutil.copytree(compiled_release.folder, folder)
    fake_tensorrt.write_engine(open_release(folder))
    (tmp_path / "tensorrt.py").write_text(
        "import sys\nimport fake_tensorrt\nsys.modules['tensorrt'] = fake_tensorrt.tensorrt\n"
    )
    paths = (str(SUPPORT), str(tmp_path), os.environ.get("PYTHONPATH", ""))
    done = fake_cuda.run(
        fake_driver,
        tmp_path / "calls.jsonl",
        str(EXAMPLES / "vehicle.py"),
        str(folder),
        "test-pattern:60x40?frames=3",
        PYTHONPATH=os.pathsep.join(filter(None, paths)),
    )
    # kernels do not run on this driver: there is a line for each frame, and nothing in it
    assert done.output["objects"] == []
    assert len(done.named("cuLaunchCooperativeKernel", "cuGraphLaunch")) >= 3
    assert done.calls[-1]["alive"] == 0


def test_cameras_of_a_recording_are_segmented_in_the_order_of_stamps(
    tmp_path: Path, model: Path
) -> None:
    image = np.tile(quadrants(), (2, 2, 1))
    shots = [
        raw_shot(topic, "foxglove.RawImage", stamp_ns + shift, "rgb8", image)
        for topic, shift in (("/left", 0), ("/right", 1))
        for stamp_ns in stamps(2)
    ]
    write_foxglove(tmp_path / "drive.mcap", shots)
    topics = ("/left", "/right", "--model", model)
    said = run("drive_recording.py", "drive.mcap", "objects.mcap", *topics, folder=tmp_path)
    lines = [line.split()[:2] for line in said.splitlines()]
    assert lines == [
        [str(stamp_ns + shift), topic]
        for stamp_ns in stamps(2)
        for topic, shift in (("/left", 0), ("/right", 1))
    ]
    assert (tmp_path / "objects.mcap").stat().st_size > 0

"""``streamseg export`` and ``streamseg check --dry-run``, on a small network."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from release_files import CONFIG

from streamseg.cli.main import main
from streamseg.errors import ModelError
from streamseg.model.network import Network
from streamseg.model.weights import save_safetensors
from streamseg.release.manifest import MANIFEST, TRUNK, open_release
from streamseg.release.parity import TOLERANCES, Tolerance

pytest.importorskip("triton")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    save_safetensors(path, Network(CONFIG).state_dict(), CONFIG)
    return path


@pytest.fixture(scope="module")
def exported(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "release"
    assert export(weights, folder) == 0
    return folder


def export(weights: Path, folder: Path, *more: str) -> int:
    options = ["--target", "orin", "--size", "64x32", "--images", "2", *more]
    return main(["export", "--out", str(folder), "--model", str(weights), *options])


def test_a_release_is_checked_without_a_gpu(
    exported: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "--dry-run", str(exported)]) == 0
    told = capsys.readouterr().out
    assert "11 for sm_87; their arguments fit" in told
    assert "the release passed, as far as this can be checked without a GPU" in told


def test_the_network_is_in_half_precision_of_one_size(exported: Path) -> None:
    manifest = open_release(exported).manifest
    assert (manifest.precision, manifest.size, manifest.shape.dtype) == ("fp16", (64, 32), "fp16")


def test_a_damaged_release_fails_the_check(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "release"
    shutil.copytree(exported, folder)
    with (folder / TRUNK).open("ab") as file:
        file.write(b"?")
    assert main(["check", "--dry-run", str(folder)]) == 1
    assert "trunk.onnx is not the file that was exported" in capsys.readouterr().err


def test_a_release_is_replaced_and_nothing_else(
    exported: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "release"
    shutil.copytree(exported, folder)
    (folder / TRUNK).write_bytes(b"damaged")
    assert export(weights, folder) == 0
    assert open_release(folder).path(TRUNK).stat().st_size > 1000
    (folder / MANIFEST).unlink()
    assert export(weights, folder) == 1
    assert "is not empty and not a release" in capsys.readouterr().err


def test_a_release_stays_if_its_successor_is_refused(
    exported: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "release"
    shutil.copytree(exported, folder)
    (folder / "notes.txt").write_text("mine")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}

    def refuse(*_: object, **__: object) -> None:
        raise ModelError("too far off")

    with monkeypatch.context() as patched:
        patched.setattr("streamseg.export.make_release.compare", refuse)
        assert export(weights, folder) == 1
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    assert list(tmp_path.iterdir()) == [folder]
    assert export(weights, folder) == 0
    assert open_release(folder).path(TRUNK).stat().st_mtime_ns > before[folder / TRUNK]
    assert (folder / "notes.txt").read_text() == "mine"
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--target", "toaster"], "unknown target 'toaster'; known are orin"),
        (["--precision", "int8"], "give it real footage"),
        (["--ptxas", "/nowhere"], "--ptxas /nowhere does not exist"),
        (["--frames", "/nowhere.mp4"], "/nowhere.mp4"),
    ],
)
def test_what_cannot_be_exported_is_told_in_a_line(
    options: list[str],
    message: str,
    weights: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert export(weights, tmp_path / "release", *options) == 1
    told = capsys.readouterr().err.strip()
    assert message in told
    assert "\n" not in told
    assert not (tmp_path / "release").exists()


@pytest.mark.parametrize(
    ("precision", "advice"),
    [("int8", "is allowed; give more varied --frames, or --precision fp16\n"), ("fp16", "must\n")],
)
def test_a_refused_export_in_8_bits_tells_what_may_help(
    precision: str,
    advice: str,
    weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("streamseg.export.quantize.TOLERANCE", 1e-6)
    monkeypatch.setitem(TOLERANCES, "fp16", Tolerance(relative=1.0, sure_agreement=2.0))
    footage = ["--frames", "test-pattern:64x32?frames=20"]
    assert export(weights, tmp_path / "release", "--precision", precision, *footage) == 1
    assert capsys.readouterr().err.endswith(advice)


def test_a_folder_that_is_no_release_cannot_be_built(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["build", str(tmp_path)]) == 1
    assert "is not a release" in capsys.readouterr().err

"""How ``streamseg batch`` ends early, as a process of its own with a Ray of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from drives import FRAMES, rows_of, write_drive

from streamseg.cli.main import main


@pytest.mark.ray
def test_sigterm_ends_it_soon_with_all_that_is_done(colour_model: str, tmp_path: Path) -> None:
    psutil = pytest.importorskip("psutil")
    pytest.importorskip("ray")
    write_drive(tmp_path / "archive/0.mp4")
    write_drive(tmp_path / "archive/1.mp4", frames=3000)
    out = tmp_path / "out"
    command = [sys.executable, "-m", "streamseg.cli.main", "batch", str(tmp_path / "archive")]
    command += ["--out", str(out), "--model", colour_model, "--workers", "1", "--runtime", "onnx"]
    command += ["--size", "160x96"]
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    ) as run:
        while not list(out.glob("recording=0-*")) or not list(out.glob("_partial/*/*")):
            assert run.poll() is None, run.stderr and run.stderr.read()
            time.sleep(0.1)
        children = psutil.Process(run.pid).children(recursive=True)
        run.send_signal(signal.SIGTERM)
        _, said = run.communicate(timeout=60)
    assert run.returncode == 143, said
    assert "stopped: 2 recordings: 1 done, 0 skipped as done before, 0 failed, 1 not done" in said
    assert "Traceback" not in said
    assert json.loads((out / "_summary.json").read_text())["stopped"]
    assert {row["index"] for row in rows_of(out)} == set(range(FRAMES))
    assert not (out / "_partial").exists()
    assert psutil.wait_procs(children, timeout=20)[1] == []


@pytest.mark.parametrize("package", ["ray", "fsspec"])
def test_without_a_package_one_line_says_what_to_install(
    package: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from streamseg.batch import runner

    if package == "ray":
        monkeypatch.setattr(runner, "find_spec", lambda name: None)
    else:
        monkeypatch.setattr(runner, "find_spec", lambda name: "found")
        monkeypatch.setitem(sys.modules, "fsspec.core", None)
    path = write_drive(tmp_path / "a.mp4")
    assert main(["batch", str(path), "--out", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err
    assert said == (f"streamseg: {package} is not installed: pip install 'streamseg[batch]'\n")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere.mp4"], "nowhere.mp4"),
        (["{clip}", "--model", "nowhere.onnx"], "nowhere.onnx"),
        (["nothing/*.mp4"], "no recordings"),
    ],
)
def test_what_cannot_be_done_ends_in_one_clear_line(
    arguments: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("ray")
    clip = write_drive(tmp_path / "a.mp4")
    filled = [argument.format(clip=clip) for argument in arguments]
    assert main(["batch", *filled, "--out", str(tmp_path / "out")]) == 1
    lines = capsys.readouterr().err.splitlines()
    (error,) = [line for line in lines if line.startswith("streamseg: ")]
    assert says in error

"""A training that is told to end by a signal, as a scheduler or ``docker stop`` sends it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

import pytest
from squares import write_squares, write_untrained

from streamseg.cli.main import main
from streamseg.model.weights import load_checkpoint
from streamseg.train.loop import Trainer


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGHUP])
def test_a_run_in_the_background_ends_after_a_whole_step(
    sent: signal.Signals, tmp_path: Path
) -> None:
    write_squares(tmp_path / "data", ("nut", "bolt"), "train")
    init = write_untrained(tmp_path / "init.safetensors")
    run, log = tmp_path / "run", tmp_path / "run" / "metrics.jsonl"
    command = [
        sys.executable,
        "-m",
        "streamseg.cli.main",
        "train",
        "--data",
        str(tmp_path / "data"),
    ]
    command += ["--init", init, "--out", str(run), "--set", "train.crop_sizes=[64]"]
    command += ["--steps", "100000", "--batch-size", "2"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # what a shell does for `command &` in a script; not what nohup does for all it starts
        preexec_fn=lambda: (
            signal.signal(signal.SIGINT, signal.SIG_IGN),
            signal.signal(sent, signal.SIG_DFL),
        ),
    )
    try:
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline and process.poll() is None:
            if log.exists() and log.read_text().count("\n") >= 3:
                break
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)  # ignored
        process.send_signal(sent)
        told, said = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode == 128 + sent, said
    assert "Traceback" not in said
    steps = log.read_text().splitlines()
    assert load_checkpoint(run / "checkpoint.pt").step == len(steps) >= 3
    assert f"stopped at step {len(steps)}: writing the model" in told
    assert (run / "model.onnx").exists()


# pycocotools 2.0.11 itself does not follow numpy 2 when it decodes
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_second_ctrl_c_skips_the_model_but_not_the_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "_run_and_write", interrupted)
    monkeypatch.setattr("streamseg.cli.train.write", interrupted)
    write_squares(tmp_path / "data", ("nut", "bolt"), "train")
    init, run = write_untrained(tmp_path / "init.safetensors"), tmp_path / "run"
    command = ["train", "--data", str(tmp_path / "data"), "--init", init, "--out", str(run)]
    assert main(command) == 130
    told = capsys.readouterr()
    assert "stopped at step 0: writing the model" in told.out
    assert "Ctrl-C again to skip" in told.out
    assert "Traceback" not in told.err
    assert load_checkpoint(run / "checkpoint.pt").step == 0
    assert not (run / "model.safetensors").exists()

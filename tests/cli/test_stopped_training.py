"""A training that is told to end by a signal, as a scheduler or ``docker stop`` sends it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from squares import write_squares, write_untrained

from streamseg.model.weights import load_checkpoint


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
        _, said = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode == 128 + sent, said
    assert "Traceback" not in said
    steps = log.read_text().splitlines()
    assert load_checkpoint(run / "checkpoint.pt").step == len(steps) >= 3
    assert (run / "model.onnx").exists()

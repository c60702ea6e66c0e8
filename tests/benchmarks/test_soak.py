"""A stream stays the same over many frames, and a soak notices when it does not."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from colour_runtime import ColourRuntime

import streamseg.loading
from benchmarks.soak import SAMPLES, Sample, SoakReport, main, plot, soak
from streamseg.errors import InputError
from streamseg.segmenter import Segmenter

pytest.importorskip("psutil")


def in_a_process_of_its_own(scenario: str) -> Any:
    script = Path(__file__).with_name("soak_scenarios.py")
    done = subprocess.run(
        [sys.executable, str(script), scenario],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout)


def test_two_thousand_frames_leave_the_process_as_it_was() -> None:
    samples, frame, complaints = in_a_process_of_its_own("steady")
    assert (samples, frame) == (SAMPLES, 2000)
    # how long frames take is the machine's affair, while other tests run
    assert [line for line in complaints if not line.startswith("frames take ")] == []


def test_what_grows_is_noticed() -> None:
    _, _, complaints = in_a_process_of_its_own("leaky")
    assert complaints[0].startswith("memory grew by ")
    assert complaints[1].startswith("threads went from ")


def test_a_latency_that_grows_is_noticed() -> None:
    steady = [Sample(10 * i, 100.0, 4, 9, 5.0) for i in range(1, SAMPLES + 1)]
    assert SoakReport(tuple(steady)).complaints() == []
    slower = tuple(replace(s, latency_ms=5.0 + s.frame / 100) for s in steady)
    (complaint,) = SoakReport(slower).complaints()
    assert complaint.startswith("a frame takes ")
    assert "<svg" in plot(SoakReport(slower))


def test_too_few_frames_are_refused() -> None:
    segmenter = Segmenter(ColourRuntime(), size=(64, 64))
    with pytest.raises(InputError, match="at least 100 frames, got 5"):
        next(soak(segmenter, "test-pattern:64x64", 5))
    with pytest.raises(InputError, match="ended after 1 of 100 frames"):
        list(soak(segmenter, "test-pattern:64x64?frames=1", 100))


def test_the_command_writes_samples_and_a_plot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    segmenter = Segmenter(ColourRuntime(), size=(64, 64))
    monkeypatch.setattr(streamseg.loading, "load", lambda *_, **__: segmenter)
    out = tmp_path / "new" / "folder"
    gc.freeze()  # what other tests have left would be looked at for every sample
    try:
        main(["test-pattern:64x64?frames=100", "--frames", "100", "--out", str(out)])
    finally:
        gc.unfreeze()
    assert len((out / "soak.jsonl").read_text().splitlines()) == SAMPLES
    assert "<svg" in (out / "soak.svg").read_text()
    assert "100 frames: memory " in capsys.readouterr().out


def test_a_folder_that_cannot_be_made_is_told_before_the_soak(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--out", "/dev/null/soak"]) == 1
    assert "/dev/null/soak cannot be made" in capsys.readouterr().err

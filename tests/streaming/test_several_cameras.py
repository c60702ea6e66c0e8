"""Several cameras of one recording: results in the order of stamps, and the files of a run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from colour_model import write_colour_model
from colour_runtime import ColourRuntime
from media import quadrants
from recorded_drives import START_NS, STEP_NS, raw_shot, write_foxglove

from streamseg.cli.main import main
from streamseg.segmenter import Segmenter

CAMERAS = {"/camera/front": (0, 2, 4, 6, 20), "/camera/rear": (1, 3, 5, 7, 8, 9, 10, 11, 12)}


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    """The front camera has a gap, in which the rear one goes on; then that one ends."""
    image = np.tile(quadrants(), (2, 2, 1))
    shots = [
        raw_shot(topic, "foxglove.RawImage", START_NS + step * STEP_NS, "rgb8", image)
        for topic, steps in CAMERAS.items()
        for step in steps
    ]
    return write_foxglove(tmp_path / "drive.mcap", sorted(shots, key=lambda s: s.stamp_ns))


def expected() -> list[tuple[int, str]]:
    pairs = [
        (START_NS + step * STEP_NS, topic) for topic, steps in CAMERAS.items() for step in steps
    ]
    return sorted(pairs)


def test_frames_of_several_cameras_come_in_the_order_of_their_stamps(drive: Path) -> None:
    sources = [f"{drive}#{topic}" for topic in CAMERAS]
    with Segmenter(ColourRuntime()).stream(sources) as results:
        found = [(result.stamp_ns, result.source.partition("#")[2]) for result in results]
    assert found == expected()


def test_a_topic_that_is_not_there_does_not_hold_the_others_up(drive: Path) -> None:
    sources = [f"{drive}#/camera/left", *(f"{drive}#{topic}" for topic in CAMERAS)]
    with Segmenter(ColourRuntime()).stream(sources) as results:
        assert [result.stamp_ns for result in results] == [stamp for stamp, _ in expected()]


def test_a_run_saves_all_cameras_in_one_recording(
    drive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = write_colour_model(tmp_path / "colours.onnx")
    arguments = ["run", str(drive), "--model", str(model), "--size", "128x96"]
    for topic in CAMERAS:
        arguments += ["--topic", topic]
    out = tmp_path / "objects.mcap"
    assert main([*arguments, "--save", f"mcap:{out}", "--jsonl", str(tmp_path / "o.jsonl")]) == 0
    assert f"wrote {out}" in capsys.readouterr().err
    stamps = []
    for number, steps in enumerate(CAMERAS.values()):
        lines = (tmp_path / f"o-{number}.jsonl").read_text().splitlines()
        stamps += [json.loads(line)["stamp_ns"] for line in lines]
        assert stamps[-len(steps) :] == [START_NS + step * STEP_NS for step in steps]
    assert main(["doctor", str(out)]) == 0
    listed = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    counts = {"/camera/front": "5", "/camera/rear": "9"}
    assert [row[-4:-2] for row in listed if row[0] != "camera"] == [
        [f"{topic}/{kind}", count]
        for topic, count in counts.items()
        for kind in ("annotations", "objects")
    ]


def test_what_is_read_is_not_written(drive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(drive), "--topic", "/camera/rear", "--save", f"mcap:{drive}"]) == 1
    assert "it is the source" in capsys.readouterr().err


def test_a_topic_needs_a_recording(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "test-pattern:64x64", "--topic", "/camera"]) == 1
    assert "--topic is for MCAP files and ROS bags" in capsys.readouterr().err

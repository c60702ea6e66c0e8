import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest
from camera_servers import http_camera, wait_until
from media import write_sounding_video
from PIL import Image as PillowImage
from pycocotools import mask as coco_mask

from streamseg.cli.main import main

PATTERN = "test-pattern:160x96@25?frames=6"


# pycocotools 2.0.11 itself does not follow numpy 2 when it decodes
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_run_writes_a_video_and_a_line_for_every_frame(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, jsonl = tmp_path / "o.mp4", tmp_path / "o.jsonl"
    arguments = ["run", PATTERN, "--out", str(out), "--jsonl", str(jsonl), "--size", "160x96"]
    assert main([*arguments, "--min-score", "0.05"]) == 0
    lines = [json.loads(line) for line in jsonl.read_text().splitlines()]
    assert [line["index"] for line in lines] == list(range(6))
    times = [line["pts_seconds"] for line in lines]
    assert np.allclose(np.diff(times), 1 / 25)
    for line in lines:
        for instance in line["instances"]:
            assert coco_mask.decode(instance["rle"]).sum() == instance["area_px"]
    with av.open(str(out)) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == (160, 96)
        frames = list(container.decode(stream))
    assert [round(float(f.pts * f.time_base), 3) for f in frames] == [round(t, 3) for t in times]
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "segmented 6 frames" in shown.err
    assert "network" in shown.err
    assert str(out) in shown.err


def test_results_can_go_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", PATTERN, "--jsonl", "-", "--size", "160x96", "--frames", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["index"] for line in lines] == [0, 1]


def test_results_are_saved_in_every_format_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["run", PATTERN, "--size", "160x96", "--frames", "2", "--min-score", "0.05"]
    for save in ("jsonl:o.jsonl", "coco:o.json", "mots-png:images"):
        name, path = save.split(":")
        arguments += ["--save", f"{name}:{tmp_path / path}"]
    assert main(arguments) == 0
    assert len((tmp_path / "o.jsonl").read_text().splitlines()) == 2
    assert isinstance(json.loads((tmp_path / "o.json").read_text()), list)
    assert len(list((tmp_path / "images").iterdir())) == 2
    assert f"wrote {tmp_path / 'images'}" in capsys.readouterr().err


def test_the_annotated_video_has_the_sound_of_its_source(tmp_path: Path) -> None:
    source, out = write_sounding_video(tmp_path / "in.mp4", "aac"), tmp_path / "o.mkv"
    assert main(["run", str(source), "--size", "160x96", "--frames", "10", "--out", str(out)]) == 0
    with av.open(str(out)) as container:
        sound = list(container.decode(audio=0))
    assert sum(frame.samples for frame in sound) / 48000 == pytest.approx(0.4, abs=0.025)


def test_an_unknown_format_is_refused_with_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    for wrong in ("xml:o.xml", "o.json", "coco:", "coco:-"):
        with pytest.raises(SystemExit, match="2"):
            main(["run", PATTERN, "--save", wrong])
        said = capsys.readouterr().err
        assert repr(wrong) in said
        assert "coco:PATH" in said or "youtube-vis" in said


def test_a_folder_with_a_broken_image_is_run_and_the_loss_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from PIL import Image

    for name in ("a.png", "c.png"):
        Image.new("RGB", (160, 96), (90, 90, 90)).save(tmp_path / name)
    (tmp_path / "b.png").write_bytes(b"")
    assert main(["run", str(tmp_path), "--size", "160x96"]) == 0
    assert "segmented 2 frames" in (said := capsys.readouterr().err)
    assert "1 unreadable" in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere.mp4"], "nowhere.mp4"),
        (["{text}"], "text.mp4"),
        (["{empty}"], "empty.mp4"),
        (["/dev/video97"], "/dev/video97"),
        ([PATTERN, "--model", "{text}"], "text.mp4"),
        ([PATTERN, "--model", "nowhere.onnx"], "nowhere.onnx"),
        (
            [PATTERN, "--model", "nope"],
            "model nope does not exist; the shipped model is called nano",
        ),
        ([PATTERN, "--out", "no/such/folder/o.mp4"], "folder"),
        ([PATTERN, "--out", "o.gif"], ".mp4"),
        ([PATTERN, "--jsonl", "no/such/folder/o.jsonl"], "folder"),
        ([PATTERN, "--save", "voc:no/such/folder/out"], "folder"),
        ([PATTERN, "--save", "coco:o.json", "--save", "youtube-vis:o.json"], "same path"),
    ],
)
def test_what_cannot_be_done_ends_in_one_clear_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    says: str,
) -> None:
    (tmp_path / "text.mp4").write_text("this is not a video\n" * 100)
    (tmp_path / "empty.mp4").touch()
    paths = {name: str(tmp_path / f"{name}.mp4") for name in ("text", "empty")}
    assert main(["run", *(argument.format(**paths) for argument in arguments)]) == 1
    (error,) = [
        line for line in capsys.readouterr().err.splitlines() if line.startswith("streamseg: ")
    ]
    assert says in error


@pytest.mark.parametrize(
    "bad",
    [["--size", "100x60"], ["--min-score", "2"], ["--frames", "0"], ["--classes", " ,"]],
)
def test_a_wrong_option_is_refused_by_the_command_line(bad: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["run", PATTERN, *bad])


def stopped_run(folder: Path, sent: signal.Signals) -> tuple[int, str]:
    """Run on an endless source, and end it by a signal after forty frames."""
    jsonl = folder / "o.jsonl"
    command = [sys.executable, "-m", "streamseg.cli.main", "run", "test-pattern:160x96"]
    command += ["--size", "160x96", "--out", str(folder / "o.mp4"), "--jsonl", str(jsonl)]
    command += ["--save", f"mots-png:{folder / 'images'}", "--save", f"coco:{folder / 'o.json'}"]
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        # a test run in the background may have been told to ignore Ctrl-C, and children inherit it
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if jsonl.exists() and jsonl.read_text().count("\n") >= 40:
            break
        time.sleep(0.05)
    process.send_signal(sent)
    _, said = process.communicate(timeout=20)
    return process.returncode, said


def read_outputs(folder: Path) -> tuple[int, int]:
    """Frames of the JSON lines, all whole, and of the video."""
    text = (folder / "o.jsonl").read_text()
    assert text.endswith("\n")
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["index"] for line in lines] == list(range(len(lines)))
    with av.open(str(folder / "o.mp4")) as container:
        frames = sum(1 for _ in container.decode(video=0))
    return len(lines), frames


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stopped_run_leaves_readable_files(tmp_path: Path, sent: signal.Signals) -> None:
    code, said = stopped_run(tmp_path, sent)
    assert code == 128 + sent
    assert "stopped after" in said
    assert "Traceback" not in said
    lines, frames = read_outputs(tmp_path)
    assert lines >= 40
    assert abs(frames - lines) <= 1
    assert isinstance(json.loads((tmp_path / "o.json").read_text()), list)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"o.json", "o.jsonl", "o.mp4", "images"}


def test_a_kill_leaves_whole_lines_and_images_and_a_playable_video(tmp_path: Path) -> None:
    (tmp_path / "o.json").write_text("old")
    code, _ = stopped_run(tmp_path, signal.SIGKILL)
    assert code == -signal.SIGKILL
    lines, frames = read_outputs(tmp_path)
    assert lines >= 40
    assert lines - 26 <= frames <= lines + 1
    assert (tmp_path / "o.json").read_text() == "old"
    images = [path for path in (tmp_path / "images").iterdir() if "partial" not in path.name]
    assert len(images) >= lines - 1
    for image in images:
        PillowImage.open(image).load()


def test_several_sources_are_told_apart_in_numbered_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, jsonl = tmp_path / "o.mp4", tmp_path / "o.jsonl"
    arguments = ["run", PATTERN, "nowhere.mp4", "test-pattern:64x64?frames=3", "--size", "64x64"]
    assert main([*arguments, "--out", str(out), "--jsonl", str(jsonl)]) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "o-0.jsonl",
        "o-0.mp4",
        "o-2.jsonl",
        "o-2.mp4",
    ]
    assert (tmp_path / "o-0.jsonl").read_text().count("\n") == 6
    with av.open(str(tmp_path / "o-2.mp4")) as container:
        assert len(list(container.decode(video=0))) == 3
    said = capsys.readouterr().err
    assert "segmented 9 frames" in said
    assert "failed: no such file or folder: nowhere.mp4" in said
    assert "arrival to its result: median" in said


def test_several_sources_do_not_share_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", PATTERN, PATTERN, "--jsonl", "-"]) == 1
    assert "takes the results of one source only" in capsys.readouterr().err


@pytest.mark.timing
@pytest.mark.parametrize("dies", [False, True])
def test_ctrl_c_ends_a_wait_for_a_camera(dies: bool) -> None:
    with http_camera() as camera:
        camera.stalled = not dies
        command = [sys.executable, "-m", "streamseg.cli.main", "run", camera.url]
        process = subprocess.Popen(
            [*command, "--size", "160x96", "--timeout", "60"],
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        wait_until(lambda: camera.viewers, 60)
        time.sleep(0.5)
        if dies:
            camera.kill()
            time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        interrupted = time.monotonic()
        _, said = process.communicate(timeout=20)
        camera.stalled = False
    assert time.monotonic() - interrupted < 5
    assert process.returncode == 130
    assert "stopped" in said
    assert "Traceback" not in said


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    text = capsys.readouterr().out
    for command in ("run", "demo", "train", "eval", "doctor"):
        assert f"\n    {command} " in text


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out.startswith("streamseg 0.")

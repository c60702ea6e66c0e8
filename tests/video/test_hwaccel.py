"""Decoding on a device, told on machines that need have none."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from av.codec.hwaccel import HWAccel
from media import corners, quadrants, write_video

from streamseg.cli.main import main
from streamseg.errors import SourceError
from streamseg.video import decode, hwaccel
from streamseg.video.conversion import ImageConverter, Orientation
from streamseg.video.options import SourceOptions
from streamseg.video.source import open_source

Devices = Callable[..., None]


@pytest.fixture
def devices(monkeypatch: pytest.MonkeyPatch) -> Devices:
    """Pretend that FFmpeg has these kinds, and that some of them work."""

    def pretend(**problems: str | None) -> None:
        monkeypatch.setattr(hwaccel, "kinds_of_build", lambda: list(problems))
        monkeypatch.setattr(hwaccel, "why_unusable", problems.__getitem__)

    return pretend


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "a.mp4")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether a device was asked for, at each opening; what opens is decoded on the CPU."""
    openings: list[bool] = []
    really_open = av.open

    def open_without_device(
        file: str, *, hwaccel: HWAccel | None, **options: str
    ) -> av.container.InputContainer:
        openings.append(hwaccel is not None)
        return really_open(file)

    monkeypatch.setattr(av, "open", open_without_device)
    return openings


def test_a_kind_that_ffmpeg_does_not_have_is_refused_with_those_it_has(video: Path) -> None:
    with pytest.raises(SourceError, match=r"'warp-drive'.*does not have it; kinds that") as caught:
        open_source(video, SourceOptions(hwaccel="warp-drive"))
    assert all(kind in str(caught.value) for kind in hwaccel.kinds_of_build())
    assert "\n" not in str(caught.value)


def test_every_kind_that_does_not_work_here_says_why_in_one_line(video: Path) -> None:
    for kind in hwaccel.kinds_of_build():
        why = hwaccel.why_unusable(kind)
        if why is None:
            continue
        with pytest.raises(SourceError) as caught:
            open_source(video, SourceOptions(hwaccel=kind))
        assert str(caught.value).startswith(f"cannot decode on '{kind}': {why}; kinds that")


def test_auto_without_a_device_decodes_the_same_on_the_cpu_and_says_so(
    video: Path, devices: Devices, caplog: pytest.LogCaptureFixture
) -> None:
    devices(cuda="no device opens", vaapi="no device opens")
    automatic = open_source(video, SourceOptions(hwaccel="auto"))
    (warning,) = caplog.messages
    assert warning.startswith(f"{video}: decoding on the CPU, because no device supports it")
    assert automatic.hwaccel == "none"
    on_cpu = list(open_source(video))
    assert len(on_cpu) == 25
    for frame, expected in zip(automatic, on_cpu, strict=True):
        assert frame.pts_seconds == expected.pts_seconds
        assert np.array_equal(frame.image, expected.image)


def test_the_command_line_says_it_in_one_line_too(
    video: Path,
    devices: Devices,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    devices(cuda="no device opens (why)")
    run = ["run", str(video), "--frames", "1", "--size", "64x32", "--hwaccel"]
    assert main([*run, "cuda"]) == 1
    assert capsys.readouterr().err == (
        "streamseg: cannot decode on 'cuda': no device opens (why); kinds that this build has: "
        "cuda; none is the CPU, auto uses what works\n"
    )
    assert main([*run, "auto"]) == 0
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_a_device_that_leaves_the_video_to_the_cpu_is_no_device(
    video: Path, devices: Devices, asked: list[bool], caplog: pytest.LogCaptureFixture
) -> None:
    devices(cuda=None)
    with pytest.raises(SourceError, match=r"cuda does not decode .*a\.mp4"):
        open_source(video, SourceOptions(hwaccel="cuda"))
    assert not caplog.messages
    assert len(list(open_source(video, SourceOptions(hwaccel="auto")))) == 25
    assert any(asked)
    assert "decoding on the CPU" in caplog.text


def test_a_device_that_decodes_is_asked_for_and_told(
    video: Path,
    devices: Devices,
    asked: list[bool],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    devices(qsv="no decoder uses it", cuda=None)
    monkeypatch.setattr(hwaccel, "_formats", lambda codec: {"cuda": "cuda"})
    monkeypatch.setattr(decode, "kind_in_use", lambda stream: "cuda")
    for wanted in ("cuda", "auto"):
        source = open_source(video, SourceOptions(hwaccel=wanted))
        assert source.hwaccel == "cuda"
        assert corners(next(source).image) == "RGBK"
    assert asked == [True, True]
    arguments = ["run", str(video), "--frames", "1", "--size", "64x32", "--hwaccel", "auto"]
    arguments += ["--runtime", "onnx"]
    assert main(arguments) == 0
    assert f"{video} decoded on cuda, ONNX" in capsys.readouterr().err
    assert not caplog.messages


def test_what_has_nothing_to_decode_is_no_work_for_a_device(
    devices: Devices, caplog: pytest.LogCaptureFixture
) -> None:
    devices(cuda=None)
    with pytest.raises(SourceError, match="cuda does not decode test-pattern:: it is not a video"):
        open_source("test-pattern:", SourceOptions(hwaccel="cuda"))
    assert open_source("test-pattern:", SourceOptions(hwaccel="auto")).hwaccel == "none"
    assert len(caplog.messages) == 1


@pytest.mark.parametrize("pixel_format", ["nv12", "p010le"])
def test_images_in_the_formats_of_devices_look_the_same(pixel_format: str) -> None:
    decoded = av.VideoFrame.from_ndarray(quadrants(), format="rgb24").reformat(format="yuv420p")
    downloaded = decoded.reformat(format=pixel_format)
    converter, orientation = ImageConverter(), Orientation(transposed=True, mirrored_y=True)
    for size in ((48, 64), (17, 33)):
        expected = converter.render(decoded, orientation, *size)
        image = converter.render(downloaded, orientation, *size)
        assert corners(image) == corners(expected) == "GKRB"
        assert np.abs(image.astype(int) - expected).mean() < 3


@pytest.mark.gpu
def test_a_gpu_decodes_what_the_cpu_does(tmp_path: Path) -> None:
    path = write_video(tmp_path / "large.mp4", images=[quadrants(640, 360)])
    try:
        source = open_source(path, SourceOptions(hwaccel="cuda"))
    except SourceError as error:
        pytest.skip(str(error))  # drivers in containers often come without the decoder
    for frame, expected in zip(source, open_source(path), strict=True):
        assert frame.pts_seconds == expected.pts_seconds
        assert np.abs(frame.image.astype(int) - expected.image).mean() < 3

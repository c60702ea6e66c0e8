from __future__ import annotations

import os
import signal
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from media import TIME_BASE, corners, quadrants, read_video, write_video

from streamseg.errors import InputError, SinkError
from streamseg.video.sink import VideoSink
from streamseg.video.source import open_source

SUFFIXES = (".mp4", ".mov", ".mkv")
VARIABLE_TIMES = (0.5, 0.54, 0.6, 1.1, 1.11, 2.0, 4.5)


def write(path: Path, times: list[float], width: int = 64, height: int = 48) -> Path:
    with VideoSink(path, width, height, time_base=TIME_BASE, rate=Fraction(25)) as sink:
        for seconds in times:
            sink.write(quadrants(width, height), seconds)
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_count_size_and_duration(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"out{suffix}", [index / 25 for index in range(60)])
    times, facts = read_video(path)
    assert times == pytest.approx([index / 25 for index in range(60)])
    assert facts["size"] == (64, 48)
    assert facts["codec"] == "h264"
    assert facts["duration_seconds"] == pytest.approx(2.4, abs=1e-3)
    source = open_source(path)
    assert source.frame_count == 60
    assert corners(next(source).image) == "RGBK"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_variable_rate_survives_the_round_trip(tmp_path: Path, suffix: str) -> None:
    source = open_source(write_video(tmp_path / "in.mp4", VARIABLE_TIMES))
    path = tmp_path / f"out{suffix}"
    before = []
    with VideoSink(
        path, source.width, source.height, time_base=source.time_base, rate=source.average_rate
    ) as sink:
        for frame in source:
            sink.write(frame.image, frame.pts_seconds)
            before.append(frame.pts_seconds)
    assert len(before) == len(VARIABLE_TIMES)
    after = [frame.pts_seconds for frame in open_source(path)]
    assert after == (pytest.approx(before, abs=6e-4) if suffix == ".mkv" else before)


def test_times_before_zero_are_moved_to_zero(tmp_path: Path) -> None:
    path = write(tmp_path / "out.mp4", [-0.2, -0.1, 0.3])
    assert read_video(path)[0] == pytest.approx([0, 0.1, 0.5])


@pytest.mark.parametrize(("width", "height"), [(63, 48), (64, 47), (63, 47), (1, 1)])
def test_odd_sizes_are_kept(tmp_path: Path, width: int, height: int) -> None:
    times, facts = read_video(write(tmp_path / "out.mp4", [0, 0.04], width, height))
    assert facts["size"] == (width, height)
    assert len(times) == 2


def test_colours_survive(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    with VideoSink(path, 64, 48, time_base=TIME_BASE, rate=None) as sink:
        sink.write(np.full((48, 64, 3), (200, 40, 90), np.uint8), 0)
    pixel = next(open_source(path)).image[20, 20].astype(int)
    assert np.abs(pixel - (200, 40, 90)).max() <= 4


def test_a_build_without_x264_writes_mpeg4(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from streamseg.video import sink

    monkeypatch.setattr(sink, "_ENCODERS", sink._ENCODERS[1:])
    path = tmp_path / "out.mp4"
    with VideoSink(path, 63, 47, time_base=Fraction(1, 90000), rate=Fraction(25)) as opened:
        for index in range(10):
            opened.write(quadrants(63, 47), index / 25)
    times, facts = read_video(path)
    assert facts["codec"] == "mpeg4"
    assert facts["size"] == (63, 47)
    assert times == pytest.approx([index / 25 for index in range(10)], abs=1e-4)


CHILD = """
import os, signal, sys
from contextlib import ExitStack
from fractions import Fraction
import numpy as np
from streamseg.video.sink import VideoSink

sent, *paths = sys.argv[1:]
noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
with ExitStack() as stack:
    for path in paths:
        sink = VideoSink(path, 64, 48, time_base=Fraction(1, 12800), rate=Fraction(25))
        stack.enter_context(sink)
        for index in range(90):
            sink.write(np.roll(noise, index, axis=1), 0.5 + index / 25)
    os.kill(os.getpid(), getattr(signal, sent))
"""


def written_by_child(folder: Path, sent: signal.Signals) -> list[Path]:
    """One file of 90 frames for each format, by a process that is ended in the middle."""
    paths = [folder / f"out{suffix}" for suffix in SUFFIXES]
    child = subprocess.run(
        [sys.executable, "-c", CHILD, sent.name, *paths],
        check=False,
        stderr=subprocess.PIPE,
        text=True,
        # a test run in the background may have been told to ignore Ctrl-C, and children inherit it
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert child.returncode == -sent, child.stderr
    return paths


def test_a_killed_process_loses_a_second_at_most(tmp_path: Path) -> None:
    for path in written_by_child(tmp_path, signal.SIGKILL):
        seconds = [frame.pts_seconds for frame in open_source(path)]
        assert 90 - 26 <= len(seconds) <= 90
        assert seconds == pytest.approx([0.5 + index / 25 for index in range(len(seconds))])


def test_ctrl_c_completes_the_file(tmp_path: Path) -> None:
    for path in written_by_child(tmp_path, signal.SIGINT):
        assert len(read_video(path)[0]) == 90


def test_an_exception_completes_the_file(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    with (
        pytest.raises(ZeroDivisionError),
        VideoSink(path, 64, 48, time_base=TIME_BASE, rate=None) as sink,
    ):
        sink.write(quadrants(), 0)
        raise ZeroDivisionError
    assert len(read_video(path)[0]) == 1


def test_a_sink_without_images_closes(tmp_path: Path) -> None:
    with VideoSink(tmp_path / "out.mp4", 64, 48, time_base=TIME_BASE, rate=None):
        pass


@pytest.mark.parametrize("name", ["out.avi", "out", "out.webm"])
def test_unknown_formats_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SinkError, match=r"must end in one of \.mp4, \.mov, \.mkv"):
        VideoSink(tmp_path / name, 64, 48, time_base=TIME_BASE, rate=None)
    assert not list(tmp_path.iterdir())


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="there is no folder"):
        VideoSink(tmp_path / "no" / "out.mp4", 64, 48, time_base=TIME_BASE, rate=None)
    (tmp_path / "taken.mp4").mkdir()
    with pytest.raises(SinkError, match="Is a directory") as caught:
        VideoSink(tmp_path / "taken.mp4", 64, 48, time_base=TIME_BASE, rate=None)
    assert caught.value.__cause__ is not None


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_full_disk_is_reported(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    path.symlink_to("/dev/full")
    with pytest.raises(SinkError, match="No space left"):
        write(path, [index / 25 for index in range(60)])


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((48, 63, 3), np.uint8),
        np.zeros((48, 64), np.uint8),
        np.zeros((48, 64, 3), np.float32),
    ],
)
def test_other_images_are_refused(tmp_path: Path, image: np.ndarray) -> None:
    with (
        VideoSink(tmp_path / "out.mp4", 64, 48, time_base=TIME_BASE, rate=None) as sink,
        pytest.raises(InputError, match=r"takes uint8 images of shape \(48, 64, 3\), got"),
    ):
        sink.write(image, 0)


@pytest.mark.parametrize("seconds", [0.04, 0.02, float("nan")])
def test_time_must_rise(tmp_path: Path, seconds: float) -> None:
    with VideoSink(tmp_path / "out.mp4", 64, 48, time_base=TIME_BASE, rate=None) as sink:
        sink.write(quadrants(), 0.04)
        with pytest.raises(InputError):
            sink.write(quadrants(), seconds)
        sink.write(quadrants(), 0.08)
    assert read_video(tmp_path / "out.mp4")[0] == pytest.approx([0.04, 0.08])


def test_a_non_contiguous_image_is_written_as_it_looks(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    with VideoSink(path, 64, 48, time_base=TIME_BASE, rate=None) as sink:
        sink.write(quadrants()[:, ::-1], 0)
    assert corners(next(open_source(path)).image) == "GRKB"


def test_a_closed_sink_takes_nothing(tmp_path: Path) -> None:
    sink = VideoSink(tmp_path / "out.mp4", 64, 48, time_base=TIME_BASE, rate=None)
    sink.close()
    sink.close()
    with pytest.raises(SinkError, match="closed already"):
        sink.write(quadrants(), 0)


@pytest.mark.parametrize(("width", "rate"), [(0, 25), (64, 0)])
def test_sizes_and_rates_are_above_zero(tmp_path: Path, width: int, rate: int) -> None:
    with pytest.raises(InputError, match="must be above 0"):
        VideoSink(tmp_path / "a.mp4", width, 48, time_base=TIME_BASE, rate=Fraction(rate))

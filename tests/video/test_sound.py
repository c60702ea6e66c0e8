from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from media import quadrants, read_video, write_sounding_video, write_video

from streamseg.errors import SinkError
from streamseg.video.sink import VideoSink
from streamseg.video.source import open_source


def copy(source: Path, out: Path, frames: int | None = None) -> Path:
    """Write a source anew, with its sound, as a run does."""
    with (
        open_source(source) as opened,
        VideoSink(
            out,
            opened.width,
            opened.height,
            time_base=opened.time_base,
            rate=opened.average_rate,
            sound_of=source,
        ) as sink,
    ):
        for frame in opened:
            if frame.index == frames:
                break
            sink.write(frame.image, frame.pts_seconds)
    return out


def packets(path: Path) -> list[tuple[float, bytes]]:
    """Time and data of each packet of the sound."""
    with av.open(str(path)) as container:
        return [
            (float(packet.pts * packet.time_base), bytes(packet))
            for packet in container.demux(audio=0)
            if packet.pts is not None
        ]


def burst_seconds(path: Path) -> float:
    """When the tone begins, by ear: half of its height is reached."""
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            sound = np.abs(frame.to_ndarray()[0].astype(float))
            scale = 32768 if frame.format.name.startswith("s16") else 1
            loud = np.flatnonzero(sound > 6000 / 32768 * scale)
            if loud.size:
                onset: float = frame.pts * frame.time_base + loud[0] / frame.sample_rate
                return onset
    raise AssertionError("silence")


@pytest.mark.parametrize(
    ("source", "codec", "out"),
    [
        ("in.mp4", "aac", "out.mp4"),
        ("in.mp4", "aac", "out.mov"),
        ("in.mp4", "aac", "out.mkv"),
        ("in.mkv", "libopus", "out.mp4"),
        ("in.mkv", "libopus", "out.mkv"),
        ("in.mkv", "flac", "out.mp4"),
        ("in.mov", "pcm_s16le", "out.mov"),
        ("in.mkv", "libmp3lame", "out.mp4"),
    ],
)
def test_sound_is_copied_packet_by_packet_at_its_time(
    tmp_path: Path, source: str, codec: str, out: str
) -> None:
    original = write_sounding_video(tmp_path / source, codec)
    copied = copy(original, tmp_path / out)
    assert burst_seconds(original) == pytest.approx(1, abs=0.005)
    assert burst_seconds(copied) == pytest.approx(burst_seconds(original), abs=0.0015)
    if codec != "pcm_s16le":  # which containers cut into packets as they like
        before = [data for seconds, data in packets(original) if 0 <= seconds < 2]
        assert [data for _, data in packets(copied)] == before
    times, _ = read_video(copied)
    assert times == pytest.approx(read_video(original)[0], abs=6e-4)


@pytest.mark.parametrize("out", ["out.mp4", "out.mkv"])
def test_aac_of_a_broadcast_is_unwrapped(tmp_path: Path, out: str) -> None:
    original = write_sounding_video(tmp_path / "in.ts", "aac")
    copied = copy(original, tmp_path / out)
    assert burst_seconds(copied) == pytest.approx(burst_seconds(original), abs=0.0015)


@pytest.mark.parametrize(
    ("source", "codec", "out"),
    [("in.mkv", "libopus", "out.mov"), ("in.mov", "pcm_mulaw", "out.mp4")],
)
def test_sound_that_the_container_cannot_hold_is_left_out_with_a_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, source: str, codec: str, out: str
) -> None:
    original = write_sounding_video(tmp_path / source, codec)
    with caplog.at_level(logging.WARNING):
        copied = copy(original, tmp_path / out)
    kind, name = Path(out).suffix, codec.removeprefix("lib")
    assert caplog.messages == [f"{copied}: the sound is left out: {kind} files cannot hold {name}"]
    assert len(read_video(copied)[0]) == 50
    with av.open(str(copied)) as container:
        assert not container.streams.audio


def joined(path: Path, *parts: Path) -> Path:
    """Transport streams one behind the other, as ``cat`` joins them."""
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


@pytest.mark.parametrize("out", ["out.mp4", "out.mkv"])
def test_sound_follows_the_images_over_a_joint(tmp_path: Path, out: str) -> None:
    first = write_sounding_video(tmp_path / "a.ts", "aac", burst_seconds=9)  # silence
    second = write_sounding_video(tmp_path / "b.ts", "aac", burst_seconds=0.5)
    copied = copy(joined(tmp_path / "in.ts", first, second), tmp_path / out)
    times, _ = read_video(copied)
    assert len(times) == 100
    assert np.diff(times) == pytest.approx(0.04, abs=1e-3)
    start = read_video(second)[0][0]
    assert burst_seconds(copied) - times[50] == pytest.approx(
        burst_seconds(second) - start, abs=0.002
    )
    sounding = [seconds for seconds, _ in packets(copied)]
    assert np.diff(sounding) == pytest.approx(1024 / 48000, abs=0.025)
    assert len(sounding) >= 2 * len(packets(first)) - 4


def test_sound_that_ended_early_comes_back_behind_the_joint(tmp_path: Path) -> None:
    first = write_sounding_video(tmp_path / "a.ts", "aac", sound_seconds=0.4, burst_seconds=9)
    second = write_sounding_video(tmp_path / "b.ts", "aac", burst_seconds=0.5)
    silent = write_video(tmp_path / "c.ts", [index / 25 for index in range(50)])
    copied = copy(joined(tmp_path / "in.ts", first, silent, second), tmp_path / "out.mp4")
    times, _ = read_video(copied)
    assert len(times) == 150
    start = read_video(second)[0][0]
    assert burst_seconds(copied) - times[100] == pytest.approx(
        burst_seconds(second) - start, abs=0.002
    )


def test_sound_that_cannot_be_written_never_ends_the_images(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = write_sounding_video(tmp_path / "in.mp4", "aac")
    really_mux = av.container.OutputContainer.mux

    def mux(container: av.container.OutputContainer, packet: av.Packet[Any]) -> None:
        if packet.stream.type == "audio":
            raise av.error.ArgumentError(22, "Invalid argument")
        really_mux(container, packet)

    monkeypatch.setattr("streamseg.video.sound.OutputContainer.mux", mux, raising=False)
    with caplog.at_level(logging.WARNING):
        copied = copy(original, tmp_path / "out.mkv")
    assert len(read_video(copied)[0]) == 50
    assert "packets of its sound are left out" in caplog.text


def test_a_source_without_sound_gives_none_and_says_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        copied = copy(write_video(tmp_path / "in.mp4"), tmp_path / "out.mp4")
    assert not caplog.messages
    with av.open(str(copied)) as container:
        assert not container.streams.audio


def test_sound_ends_with_the_images(tmp_path: Path) -> None:
    original = write_sounding_video(tmp_path / "in.mp4", "aac")
    copied = copy(original, tmp_path / "out.mp4", frames=20)
    assert packets(copied)[-1][0] == pytest.approx(0.8, abs=0.022)  # a packet lasts 21 ms
    assert len(read_video(copied)[0]) == 20


def test_sound_that_cannot_be_read_leaves_the_images(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "sound.mp4").write_bytes(b"no video at all")
    with (
        caplog.at_level(logging.WARNING),
        VideoSink(
            tmp_path / "out.mp4",
            64,
            48,
            time_base=Fraction(1, 25),
            rate=None,
            sound_of=tmp_path / "sound.mp4",
        ) as sink,
    ):
        sink.write(quadrants(), 0)
    (said,) = caplog.messages
    assert said.startswith("the sound is left out: cannot read")
    assert len(read_video(tmp_path / "out.mp4")[0]) == 1


def test_the_source_is_not_overwritten(tmp_path: Path) -> None:
    original = write_sounding_video(tmp_path / "in.mp4", "aac")
    before = original.read_bytes()
    with pytest.raises(SinkError, match="it is the source itself"):
        copy(original, original)
    assert original.read_bytes() == before


CHILD = """
import os, signal, sys
from pathlib import Path
from streamseg.video.sink import VideoSink
from streamseg.video.source import open_source

source = Path(sys.argv[1])
sinks = []
for path in sys.argv[2:]:
    frames = open_source(source)
    sink = VideoSink(
        path, 64, 48, time_base=frames.time_base, rate=frames.average_rate, sound_of=source
    )
    sinks.append(sink)
    for frame in frames:
        sink.write(frame.image, frame.pts_seconds)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("sound_seconds", [2.0, 0.4])
def test_a_killed_process_loses_a_second_of_both_at_most(
    tmp_path: Path, sound_seconds: float
) -> None:
    original = write_sounding_video(tmp_path / "in.mp4", "aac", sound_seconds=sound_seconds)
    paths = [tmp_path / f"out{suffix}" for suffix in (".mp4", ".mov", ".mkv")]
    child = subprocess.run(
        [sys.executable, "-c", CHILD, original, *paths], check=False, env=os.environ
    )
    assert child.returncode == -signal.SIGKILL
    for path in paths:
        times, _ = read_video(path)
        assert times == pytest.approx([index / 25 for index in range(len(times))], abs=6e-4)
        assert times[-1] >= 2 - 1.1
        assert packets(path)[-1][0] >= min(sound_seconds, times[-1]) - 0.1

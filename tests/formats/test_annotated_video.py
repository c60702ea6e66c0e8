from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from media import write_sounding_video, write_video
from scene_results import make_result

import streamseg
from streamseg.formats.video import VideoWriter
from streamseg.frame import Frame
from streamseg.results import FrameResult
from streamseg.video.source import open_source


def frames(path: Path) -> tuple[list[float], list[np.ndarray]]:
    with av.open(str(path)) as container:
        found = list(container.decode(video=0))
    return [frame.time for frame in found], [frame.to_ndarray(format="rgb24") for frame in found]


def result_of(frame: Frame) -> FrameResult:
    empty = np.zeros((frame.height, frame.width), np.uint16)
    return FrameResult(frame, empty, (), 0, {})


def test_each_frame_is_drawn_at_its_time(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    results = [make_result(index, ["car-1"]) for index in (0, 1, 5)]
    with streamseg.open_writer("video", path) as writer:
        assert not path.exists()
        for result in results:
            writer.write(result)
    times, images = frames(path)
    assert times == pytest.approx([0, 0.04, 0.2], abs=1e-3)
    for image, result in zip(images, results, strict=True):
        wanted = streamseg.draw(result).astype(int)
        assert np.abs(image.astype(int) - wanted).mean() < 12
        assert np.abs(image.astype(int) - result.image).mean() > 12
    writer.close()  # a second time is harmless
    with pytest.raises(streamseg.SinkError, match="closed already"):
        writer.write(make_result(9, []))


def test_the_sound_of_a_file_goes_along(tmp_path: Path) -> None:
    source = write_sounding_video(tmp_path / "in.mp4", "aac")
    with streamseg.open_writer("video", tmp_path / "out.mkv") as writer:
        for index in range(10):
            writer.write(replace(make_result(index, []), source=str(source)))
    with av.open(str(tmp_path / "out.mkv")) as container:
        samples = sum(frame.samples for frame in container.decode(audio=0))
    assert samples / 48000 == pytest.approx(0.4, abs=0.025)


def test_with_its_source_the_file_is_created_at_once_on_the_same_clock(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    with (
        open_source(write_video(tmp_path / "in.mp4")) as source,
        VideoWriter(path, source=source),
    ):
        assert path.exists()
        with av.open(str(tmp_path / "in.mp4")) as container:
            assert source.time_base == container.streams.video[0].time_base


def test_an_image_of_another_size_is_resized_to_the_first(tmp_path: Path) -> None:
    small = make_result(1, [])
    half = np.full((24, 32, 3), 90, np.uint8)
    frame = replace(small.frame, height=24, width=32, render=lambda width, height: half)
    with streamseg.open_writer("video", tmp_path / "out.mp4") as writer:
        writer.write(make_result(0, []))
        writer.write(replace(small, frame=frame, label_map=np.zeros((24, 32), np.uint16)))
    assert [image.shape for image in frames(tmp_path / "out.mp4")[1]] == [(48, 64, 3)] * 2


def test_what_cannot_be_written_is_refused_before_the_first_frame(tmp_path: Path) -> None:
    for path, says in ((tmp_path / "out.gif", ".mp4"), (tmp_path / "no" / "out.mp4", "folder")):
        with pytest.raises(streamseg.SinkError, match=says):
            streamseg.open_writer("video", path)
    with streamseg.open_writer("video", tmp_path / "out.mp4") as writer:
        writer.write(make_result(0, []))
        with pytest.raises(streamseg.SinkError, match="source 1"):
            writer.write(replace(make_result(1, []), source_index=1))


@pytest.mark.parametrize("draws_all", [False, True])
def test_a_video_shows_confirmed_tracks_or_all(tmp_path: Path, draws_all: bool) -> None:
    result = make_result(0, ["sheep-2"], unconfirmed=["sheep-2"])
    with VideoWriter(tmp_path / "out.mp4", draws_all=draws_all) as writer:
        writer.write(result)
    _, (image,) = frames(tmp_path / "out.mp4")
    assert (np.abs(image.astype(int) - result.image).mean() > 2) == draws_all


@pytest.mark.parametrize("zero_start", [True, False])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_broadcast_that_begins_at_ten_hours_begins_at_zero(
    tmp_path: Path, suffix: str, zero_start: bool
) -> None:
    begin = 36_000.0
    broadcast = write_sounding_video(tmp_path / "in.ts", "aac", burst_seconds=0.5, begin=begin)
    out = tmp_path / f"out{suffix}"
    with open_source(broadcast) as source:
        seconds = []
        with VideoWriter(out, source=source, zero_start=zero_start) as writer:
            for frame in source:
                writer.write(result_of(frame))
                seconds.append(frame.pts_seconds)
    assert seconds[0] >= begin  # results keep the media's own times
    times, _ = frames(out)
    origin = seconds[0] if zero_start else 0
    assert times == pytest.approx([s - origin for s in seconds], abs=1e-3)
    with av.open(str(out)) as container:
        sounding = next(container.decode(audio=0)).time
        assert container.duration is not None
        assert container.duration / av.time_base < (3 if zero_start else begin + 3)
    assert sounding == pytest.approx(times[0], abs=0.1)

"""Each kind of message: the frames and stamps that went in come out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from media import quadrants
from PIL import Image as Pillow
from recorded_drives import (
    Shot,
    compressed_shot,
    raw_shot,
    stamps,
    video_shots,
    write_foxglove,
    write_foxglove_json,
    write_ros,
)

from streamseg.frame import Frame, Image
from streamseg.video.base import Source
from streamseg.video.source import open_source

TOPIC = "/camera/front"
TIMES = stamps(3)
EXACT = ("rgb8", "bgr8", "rgba8", "bgra8")
GREY = ("mono8", "mono16")
YUV = ("yuv422", "uyvy", "yuv422_yuy2", "yuyv")
BAYER = ("bayer_rggb8", "bayer_bggr8", "bayer_gbrg8", "bayer_grbg8", "bayer_rggb16")


def read(path: Path) -> tuple[Source, list[Frame]]:
    with open_source(path) as source:
        return source, list(source)


def shown(index: int) -> Image:
    """An image that tells its index."""
    image = quadrants()
    image[24:, 32:] = 60 + 40 * index
    return image


def check_stamps(frames: list[Frame], shots: list[Shot]) -> None:
    assert [frame.stamp_ns for frame in frames] == [shot.stamp_ns for shot in shots]
    for index, (frame, shot) in enumerate(zip(frames, shots, strict=True)):
        assert frame.index == index
        assert frame.pts_seconds == pytest.approx(shot.stamp_ns / 1e9, abs=1e-6)
        assert frame.recorded is not None
        assert frame.recorded[1:] == (shot.logged_ns, shot.topic, "lens")


@pytest.mark.parametrize("storage", ["ros1", "sqlite3", "mcap"])
@pytest.mark.parametrize("encoding", [*EXACT, *GREY, *YUV, *BAYER])
def test_uncompressed_images_of_ros(tmp_path: Path, storage: str, encoding: str) -> None:
    shots = [
        raw_shot(TOPIC, "sensor_msgs/Image", stamp_ns, encoding, shown(index))
        for index, stamp_ns in enumerate(TIMES)
    ]
    path = tmp_path / ("drive.bag" if storage == "ros1" else "drive")
    source, frames = read(write_ros(path, shots, storage))
    assert source.description == f"{path}#{TOPIC}"
    assert (source.width, source.height, source.frame_count) == (64, 48, 3)
    assert source.duration_seconds == pytest.approx(0.08)
    check_stamps(frames, shots)
    for index, frame in enumerate(frames):
        expected = shown(index)
        if encoding in GREY:
            expected = np.asarray(Pillow.fromarray(expected).convert("L").convert("RGB"))
        difference = np.abs(frame.image.astype(int) - expected)
        if encoding in EXACT:
            assert difference.max() == 0
        # edges of a mosaic and of shared colours are soft
        assert np.median(difference) <= 1
        assert difference.mean() < 6
        assert frame.render(32, 24).shape == (24, 32, 3)


@pytest.mark.parametrize("encoding", ["rgb8", "mono8", "yuyv", "bayer_rggb8"])
def test_uncompressed_images_of_foxglove(tmp_path: Path, encoding: str) -> None:
    shots = [
        raw_shot(TOPIC, "foxglove.RawImage", stamp_ns, encoding, shown(index))
        for index, stamp_ns in enumerate(TIMES)
    ]
    _, frames = read(write_foxglove(tmp_path / "proto.mcap", shots))
    _, from_json = read(write_foxglove_json(tmp_path / "json.mcap", shots))
    check_stamps(frames, shots)
    check_stamps(from_json, shots)
    for index, (frame, same) in enumerate(zip(frames, from_json, strict=True)):
        assert (frame.image == same.image).all()
        assert np.ptp(frame.image[36, 48]) <= 1
        assert int(frame.image[36, 48, 0]) == pytest.approx(60 + 40 * index, abs=3)


@pytest.mark.parametrize("format_name", ["jpeg", "png"])
@pytest.mark.parametrize("system", ["ros1", "sqlite3", "mcap", "foxglove", "json"])
def test_compressed_images(tmp_path: Path, format_name: str, system: str) -> None:
    kind = "foxglove.CompressedImage" if system in ("foxglove", "json") else "x/CompressedImage"
    shots = [
        compressed_shot(TOPIC, kind, stamp_ns, format_name, shown(index))
        for index, stamp_ns in enumerate(TIMES)
    ]
    if system == "foxglove":
        path = write_foxglove(tmp_path / "drive.mcap", shots)
    elif system == "json":
        path = write_foxglove_json(tmp_path / "drive.mcap", shots)
    else:
        path = write_ros(tmp_path / f"drive{'.bag' * (system == 'ros1')}", shots, system)
    _, frames = read(path)
    check_stamps(frames, shots)
    for index, frame in enumerate(frames):
        difference = np.abs(frame.image.astype(int) - shown(index))
        assert difference.mean() < (4 if format_name == "jpeg" else 1e-9)


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_compressed_video(tmp_path: Path, codec: str) -> None:
    images = [np.full((96, 128, 3), 40 + 8 * index, np.uint8) for index in range(20)]
    shots = video_shots(TOPIC, codec, images, stamps(20))
    _, frames = read(write_foxglove(tmp_path / "drive.mcap", shots))
    check_stamps(frames, shots)
    for frame, image in zip(frames, images, strict=True):
        assert np.abs(frame.image.astype(int) - image).mean() < 4


def test_a_video_that_begins_between_key_frames_starts_at_the_next(tmp_path: Path) -> None:
    images = [np.full((96, 128, 3), 40 + 8 * index, np.uint8) for index in range(20)]
    shots = video_shots(TOPIC, "h264", images, stamps(20))[5:]
    source, frames = read(write_foxglove(tmp_path / "drive.mcap", shots))
    check_stamps(frames, shots[5:])
    assert source.skipped == 5


def test_an_empty_header_gives_way_to_the_log_time(tmp_path: Path) -> None:
    shots = [
        raw_shot(TOPIC, "foxglove.RawImage", 0, "rgb8", quadrants())._replace(log_ns=log_ns)
        for log_ns in TIMES
    ]
    _, frames = read(write_foxglove(tmp_path / "drive.mcap", shots))
    assert [frame.stamp_ns for frame in frames] == TIMES

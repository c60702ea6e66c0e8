from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from media import TIME_BASE, cut, noise, scramble, write_video
from PIL import Image as PillowImage

from streamseg.frame import Frame, Image
from streamseg.video.base import NoImageError
from streamseg.video.chunks import Chunk
from streamseg.video.options import SourceOptions
from streamseg.video.source import open_source
from streamseg.video.splitting import CannotSplitError, split

FRAMES = 64
OPTIONS = SourceOptions(threads=1)


def moving(count: int = FRAMES) -> list[Image]:
    """A texture that moves, so that each frame refers to others."""
    texture = np.asarray(PillowImage.fromarray(noise(0, 40, 24)).resize((160, 96)))
    return [np.roll(texture, 3 * index, 1) for index in range(count)]


def write(path: Path, codec: str = "libx264", **codec_options: str) -> Path:
    times = [index / 25 for index in range(FRAMES)]
    return write_video(path, times, images=moving(), codec=codec, codec_options=codec_options)


def facts(frames: Sequence[Frame]) -> list[tuple[object, ...]]:
    return [(frame.pts_seconds, frame.recorded, frame.image.tobytes()) for frame in frames]


def read(source: str | Path, chunk: Chunk | None = None) -> list[Frame]:
    try:
        with open_source(source, replace(OPTIONS, chunk=chunk)) as opened:
            return list(opened)
    except NoImageError:
        return []


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.mp4", "libx264", {"g": "10", "bf": "3"}),
        ("a.mkv", "libx264", {"g": "10", "bf": "3"}),
        ("a.ts", "libx264", {"g": "10", "bf": "3"}),
        ("open.mp4", "libx264", {"x264-params": "open-gop=1:keyint=10:bframes=3"}),
        ("a.mov", "libx265", {"x265-params": "keyint=10:open-gop=1:log-level=none"}),
        ("a.webm", "libvpx-vp9", {"g": "10", "deadline": "realtime", "cpu-used": "8"}),
        ("a.mpg", "mpeg2video", {"g": "10", "bf": "2"}),
        ("intra.mov", "mjpeg", {}),
    ],
)
def test_the_chunks_of_a_video_have_its_frames(
    name: str, codec: str, options: dict[str, str], tmp_path: Path
) -> None:
    pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    time_base = Fraction(1, 25) if codec == "mpeg2video" else TIME_BASE
    times = [index / 25 for index in range(FRAMES)]
    path = write_video(
        tmp_path / name,
        times,
        images=moving(),
        codec=codec,
        pix_fmt=pix_fmt,
        time_base=time_base,
        codec_options=options,
    )
    whole = read(path)
    chunks = split(path, 0.4, OPTIONS)
    assert len(chunks) > 2
    parts = [read(path, chunk) for chunk in chunks]
    assert [len(part) for part in parts] == [chunk.frame_count for chunk in chunks]
    assert facts([frame for part in parts for frame in part]) == facts(whole)
    for chunk in chunks:
        assert chunk.stop_seconds - chunk.start_seconds >= 0.39


def test_without_true_key_frames_chunks_lack_frames_but_have_no_wrong_ones(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", **{"x264-params": "intra-refresh=1:keyint=10"})
    parts = [frame for chunk in split(path, 0.4, OPTIONS) for frame in read(path, chunk)]
    assert FRAMES // 2 < len(parts) < FRAMES
    assert set(facts(parts)) <= set(facts(read(path)))


def test_damage_has_the_same_effect_in_chunks(tmp_path: Path) -> None:
    path = scramble(write(tmp_path / "a.mkv", g="10"), 0.45, 0.5)
    chunks = split(path, 0.8, OPTIONS)
    assert len(chunks) > 1
    parts = [frame for chunk in chunks for frame in read(path, chunk)]
    whole = read(path)
    assert len(whole) < FRAMES
    known = {frame[0]: frame for frame in facts(whole)}
    # those behind the damage may differ, up to the next key frame; all others are the same
    same = [frame for frame in facts(parts) if known.get(frame[0]) == frame]
    assert len(same) >= len(whole) - 10


def test_a_short_video_is_one_chunk(tmp_path: Path) -> None:
    (chunk,) = split(write(tmp_path / "a.mp4", g="10"), 10.0, OPTIONS)
    assert (chunk.start, chunk.stop) == (None, None)
    PillowImage.fromarray(noise()).save(tmp_path / "a.png")
    assert len(split(tmp_path / "a.png", 0.01, OPTIONS)) == 1
    assert len(split(tmp_path, 10.0, OPTIONS)) == 1


def test_what_has_to_be_read_in_one_go_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(CannotSplitError, match="timestamps"):
        split(write(tmp_path / "a.h264", g="10"), 0.4, OPTIONS)
    with pytest.raises(CannotSplitError, match="key frames"):
        split(write(tmp_path / "a.mp4", g="200"), 0.4, OPTIONS)
    for index in range(3):
        PillowImage.fromarray(noise(index)).save(tmp_path / f"{index}.png")
    with pytest.raises(CannotSplitError, match="images"):
        split(tmp_path, 0.04, OPTIONS)


@pytest.fixture
def recorded() -> list[tuple[int, Image]]:
    pytest.importorskip("mcap_protobuf")
    from recorded_drives import stamps

    return list(zip(stamps(20), moving(20), strict=True))


@pytest.mark.parametrize("storage", ["mcap", "foxglove", "ros1", "sqlite3"])
def test_the_chunks_of_a_drive_recording_have_its_frames(
    storage: str, recorded: list[tuple[int, Image]], tmp_path: Path
) -> None:
    from recorded_drives import compressed_shot, write_foxglove, write_ros

    kind = f"{'foxglove.' if storage == 'foxglove' else 'sensor_msgs/'}CompressedImage"
    topics = ("/front", "/rear")
    shots = [
        compressed_shot(topic, kind, stamp_ns, "png", image)
        for stamp_ns, image in recorded
        for topic in topics
    ]
    if storage == "foxglove":
        path = write_foxglove(tmp_path / "a.mcap", shots, chunk_size=100_000)
    else:
        path = write_ros(tmp_path / ("a.bag" if storage == "ros1" else "a"), shots, storage)
    chunks = split(path, 0.2, OPTIONS, topics)
    assert len(chunks) == 3
    for topic in topics:
        parts = [frame for chunk in chunks for frame in read(f"{path}#{topic}", chunk)]
        assert len(parts) == 20
        assert facts(parts) == facts(read(f"{path}#{topic}"))


def test_recordings_that_cannot_be_split_say_why(
    recorded: list[tuple[int, Image]], tmp_path: Path
) -> None:
    from recorded_drives import compressed_shot, raw_shot, video_shots, write_foxglove

    times, images = [time for time, _ in recorded], [image for _, image in recorded]
    video = write_foxglove(tmp_path / "v.mcap", video_shots("/front", "h264", images, times))
    with pytest.raises(CannotSplitError, match="/front is compressed as video"):
        split(video, 0.2, OPTIONS)
    deep = [raw_shot("/front", "foxglove.RawImage", t, "mono16", i) for t, i in recorded]
    with pytest.raises(CannotSplitError, match="16 bits"):
        split(write_foxglove(tmp_path / "d.mcap", deep), 0.2, OPTIONS)
    shots = [
        compressed_shot("/front", "foxglove.CompressedImage", t, "png", i) for t, i in recorded
    ]
    path = write_foxglove(tmp_path / "c.mcap", shots, chunk_size=10_000)
    assert len(split(path, 0.2, OPTIONS)) == 3
    with pytest.raises(CannotSplitError, match="no index"):
        split(cut(path, 0.9), 0.2, OPTIONS)

from __future__ import annotations

import gc
import logging
from fractions import Fraction
from pathlib import Path
from threading import Thread

import av
import numpy as np
import PIL.Image
import pytest
from media import (
    EVEN_TIMES,
    corners,
    cut,
    noise,
    quadrants,
    scramble,
    write_audio,
    write_sounding_video,
    write_video,
)

from streamseg.errors import InputError, SourceError
from streamseg.frame import Image
from streamseg.video.conversion import ImageConverter, Orientation
from streamseg.video.options import SourceOptions
from streamseg.video.source import open_source

NOISE = [noise(seed) for seed in range(25)]
VARIABLE_TIMES = (0.5, 0.54, 0.6, 1.1, 1.11, 2.0)


def test_facts_frames_and_images(tmp_path: Path) -> None:
    with open_source(write_video(tmp_path / "even.mp4")) as source:
        assert (source.width, source.height) == (64, 48)
        assert source.frame_count == 25
        assert source.duration_seconds == pytest.approx(1)
        assert source.average_rate == 25
        assert not source.is_live
        frames = list(source)
    assert [frame.index for frame in frames] == list(range(25))
    assert [frame.pts_seconds for frame in frames] == pytest.approx(EVEN_TIMES)
    image = frames[3].image
    assert image.shape == (48, 64, 3)
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    assert corners(image) == "RGBK"
    assert corners(frames[3].render(33, 17)) == "RGBK"
    assert frames[3].render(33, 17).shape == (17, 33, 3)


def test_decoding_takes_as_many_threads_as_are_allowed(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", images=NOISE)
    images, started = list[list[Image]](), list[int]()
    for threads in (1, 3):
        before = len(list(Path("/proc/self/task").iterdir()))
        with open_source(path, SourceOptions(threads=threads)) as source:
            started.append(len(list(Path("/proc/self/task").iterdir())) - before)
            images.append([frame.image for frame in source])
    assert started == [0, 3]
    assert np.array_equal(images[0], images[1])


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_a_variable_rate_keeps_its_times(tmp_path: Path, suffix: str) -> None:
    path = write_video(tmp_path / f"variable{suffix}", VARIABLE_TIMES)
    seconds = [frame.pts_seconds for frame in open_source(path)]
    assert np.diff(seconds) == pytest.approx(np.diff(VARIABLE_TIMES), abs=1e-3)  # mkv: milliseconds


def test_avi_has_times_too(tmp_path: Path) -> None:
    path = write_video(tmp_path / "old.avi", codec="mpeg4", time_base=Fraction(1, 25))
    assert [frame.pts_seconds for frame in open_source(path)] == pytest.approx(EVEN_TIMES)


def test_gif_shows_each_image_as_long_as_it_says(tmp_path: Path) -> None:
    path = tmp_path / "moving.gif"
    images = [PIL.Image.fromarray(np.full((8, 8, 3), grey, np.uint8)) for grey in (0, 90, 200)]
    images[0].save(path, save_all=True, append_images=images[1:], duration=[100, 300, 100])
    frames = list(open_source(path))
    assert [frame.pts_seconds for frame in frames] == pytest.approx([0, 0.1, 0.4])
    assert [int(frame.image[4, 4, 0]) for frame in frames] == [0, 90, 200]


@pytest.mark.parametrize(
    ("rotation", "expected"),
    [
        ((0, False, False), "RGBK"),
        ((90, False, False), "GKRB"),
        ((-90, False, False), "BRKG"),
        ((180, False, False), "KBGR"),
        ((0, True, False), "GRKB"),
        ((0, False, True), "BKRG"),
    ],
)
def test_images_are_upright(
    tmp_path: Path, rotation: tuple[float, bool, bool], expected: str
) -> None:
    source = open_source(write_video(tmp_path / "turned.mp4", rotation=rotation))
    frame = next(source)
    size = (48, 64) if abs(rotation[0]) == 90 else (64, 48)
    assert (source.width, source.height) == (frame.width, frame.height) == size
    assert corners(frame.image) == expected
    small = frame.render(20, 30)
    assert small.shape == (30, 20, 3)
    assert small.flags.c_contiguous
    assert corners(small) == expected


def uniform(colour: tuple[int, int, int], height: int) -> Image:
    return np.full((height, 64, 3), colour, np.uint8)


def yuv_video(path: Path, image: Image, colorspace: int, color_range: int) -> Path:
    """A video whose YUV is made with this matrix and range; 2 leaves it untagged, 601 inside."""
    matrix = {1: "ITU709", 2: "ITU601", 6: "ITU601"}[colorspace]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"qp": "1"})
        stream.height, stream.width, _ = image.shape
        stream.codec_context.colorspace = colorspace
        stream.codec_context.color_range = color_range
        frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(
            format="yuv420p", dst_colorspace=matrix, dst_color_range=color_range
        )
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("color_range", [1, 2], ids=["limited", "full"])
@pytest.mark.parametrize("colorspace", [1, 6, 2], ids=["bt709", "bt601", "untagged"])
def test_colours_are_those_that_went_in(tmp_path: Path, colorspace: int, color_range: int) -> None:
    path = yuv_video(tmp_path / "c.mp4", uniform((200, 40, 90), 48), colorspace, color_range)
    frame = next(open_source(path))
    for image in (frame.image, frame.render(32, 24)):
        assert np.abs(image[10, 10].astype(int) - (200, 40, 90)).max() <= 3


def test_untagged_hd_is_taken_for_bt709(tmp_path: Path) -> None:
    path = yuv_video(tmp_path / "hd.mp4", uniform((0, 255, 0), 720), 1, 1)
    tagged = next(open_source(path)).image[9, 9].tolist()
    with av.open(str(path)) as container:
        decoded = next(container.decode(video=0))
    decoded.colorspace = 2
    untagged = ImageConverter().render(decoded, Orientation(), 64, 720)[9, 9].tolist()
    assert tagged == untagged


def test_a_frame_can_be_rendered_later_elsewhere_and_changed(tmp_path: Path) -> None:
    frames = list(open_source(write_video(tmp_path / "a.mp4", images=[noise(), quadrants()])))
    first = frames[1].render(64, 48)
    first[:] = 0  # belongs to the caller
    rendered: list[Image] = []
    threads = [
        Thread(target=lambda: rendered.extend(frames[1].render(64, 48) for _ in range(20)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(rendered) == 80
    assert all(np.array_equal(image, frames[1].image) for image in rendered)
    assert corners(frames[1].image) == "RGBK"


def test_an_uncompressed_rgb_image_belongs_to_the_caller(tmp_path: Path) -> None:
    path = write_video(tmp_path / "raw.nut", (0,), codec="rawvideo", pix_fmt="rgb24")
    frame = next(open_source(path))
    frame.render(64, 48)[:] = 0
    assert corners(frame.render(64, 48)) == "RGBK"


def test_a_frame_can_be_rendered_at_many_sizes(tmp_path: Path) -> None:
    frame = next(open_source(write_video(tmp_path / "a.mp4")))
    for width in range(8, 24):
        assert corners(frame.render(width, 8)) == "RGBK"


def test_images_do_not_wait_for_the_garbage_collector(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", rotation=(90, False, False))
    gc.collect()
    gc.disable()
    try:
        for frame in open_source(path):
            frame.render(32, 24)
        del frame
        alive = [o for o in gc.get_objects() if type(o) is av.VideoFrame and o.width > 2]
    finally:
        gc.enable()
    assert not alive


def test_a_image_has_at_least_one_pixel(tmp_path: Path) -> None:
    frame = next(open_source(write_video(tmp_path / "a.mp4")))
    with pytest.raises(InputError, match="1x1 pixels, got 0x5"):
        frame.render(0, 5)


def test_closing_ends_the_frames(tmp_path: Path) -> None:
    source = open_source(write_video(tmp_path / "a.mp4"))
    frame = next(source)
    source.close()
    source.close()
    assert list(source) == []
    assert corners(frame.image) == "RGBK"


def test_damage_in_the_middle_is_survived_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    path = scramble(write_video(tmp_path / "damaged.mp4", images=NOISE), 0.4, 0.6)
    source = open_source(path)
    seconds = [frame.pts_seconds for frame in source]
    assert source.skipped > 0
    assert 10 < len(seconds) < 25
    assert seconds[-1] == pytest.approx(0.96)
    assert f"{path}: skipped a packet near" in caplog.text
    assert f"skipped {source.skipped} damaged packets" in caplog.text
    assert capfd.readouterr().err == ""  # FFmpeg itself stays quiet


def test_a_file_cut_off_after_its_index_gives_what_is_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_video(tmp_path / "a.mp4", images=NOISE, movflags="faststart")
    frames = list(open_source(cut(path, 0.6)))
    assert 8 < len(frames) < 20
    assert "but the file states 1.00 s: it may be cut off" in caplog.text


def test_a_whole_file_gives_no_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "streamseg"):
        for name in ("a.mp4", "a.mkv", "a.ts"):
            list(open_source(write_video(tmp_path / name, VARIABLE_TIMES)))
    assert not caplog.records


@pytest.mark.parametrize(
    ("name", "images", "sound"),
    [
        ("a.mp4", "libx264", "aac"),
        ("a.mkv", "libx264", "aac"),
        ("a.webm", "libvpx", "libopus"),
        ("a.flv", "flv", "aac"),
        ("a.wmv", "wmv2", "wmav2"),
        ("a.ts", "libx264", "aac"),
        ("a.avi", "mpeg4", "mp2"),
    ],
)
def test_sound_longer_than_the_images_is_no_cut(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, images: str, sound: str
) -> None:
    rate = 44100 if name in ("a.flv", "a.wmv") else 48000
    path = write_sounding_video(
        tmp_path / name, sound, sound_seconds=4, video_codec=images, rate=rate
    )
    with caplog.at_level(logging.DEBUG, "streamseg"):
        assert len(list(open_source(path))) == 50
    assert not caplog.records


def test_images_cut_off_before_their_sound_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_video(tmp_path / "a.mkv", images=NOISE)
    frames = list(open_source(cut(path, 0.6)))
    assert 8 < len(frames) < 20
    assert "it may be cut off" in caplog.text


def test_an_mp4_without_index_says_so(tmp_path: Path) -> None:
    path = cut(write_video(tmp_path / "short.mp4", images=NOISE), 0.6)
    with pytest.raises(SourceError, match=r"no index \(moov\).* cut off before its end") as caught:
        open_source(path)
    assert isinstance(caught.value.__cause__, av.error.InvalidDataError)


def test_a_file_of_which_nothing_can_be_decoded(tmp_path: Path) -> None:
    path = write_video(tmp_path / "noise.mp4", (0, 0.04), movflags="faststart")
    with pytest.raises(SourceError, match=r"no image can be decoded .*a packet near .*: Invalid"):
        open_source(scramble(path, 0.55, 1))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.mp4", b"", "is empty"),
        ("text.mp4", b"hello world\n" * 99, "not a video that FFmpeg knows"),
        ("text.txt", b"hello world\n" * 99, "is a text file"),
        ("captions.srt", b"1\n00:00:00,000 --> 00:00:01,000\nhi\n", "no video stream.*subtitle"),
    ],
)
def test_what_is_no_video_is_refused(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SourceError, match=message) as caught:
        open_source(path)
    assert name in str(caught.value)


def test_sound_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="has no video stream, it holds audio"):
        open_source(write_audio(tmp_path / "song.m4a"))


def test_a_name_with_a_colon_is_no_protocol(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_video(tmp_path / "front:left.mp4")
    monkeypatch.chdir(tmp_path)
    assert open_source("front:left.mp4").frame_count == 25


def test_colours_that_nobody_knows_are_taken_for_the_usual_ones() -> None:
    decoded = av.VideoFrame.from_ndarray(quadrants(), format="rgb24").reformat(format="yuv420p")
    decoded.colorspace = 65
    assert Orientation.of(decoded) == Orientation()
    image = ImageConverter().render(decoded, Orientation(), 64, 48)
    assert corners(image) == "RGBK"


def test_an_mp4_whose_boxes_reach_beyond_all_files_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "far.mp4"
    sizes = (1 << 63) - 1, 1 << 63
    path.write_bytes(b"".join(b"\0\0\0\1ftyp" + size.to_bytes(8, "big") for size in sizes))
    with pytest.raises(SourceError, match=r"far\.mp4"):
        open_source(path)

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from media import corners, cut, noise, quadrants

from streamseg.errors import InputError, SourceError
from streamseg.frame import UNNUMBERED
from streamseg.video.source import open_source


def save(path: Path, grey: int = 0, size: tuple[int, int] = (8, 6)) -> Path:
    PIL.Image.new("RGB", size, (grey, grey, grey)).save(path)
    return path


def test_one_image(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    PIL.Image.fromarray(quadrants()).save(path)
    source = open_source(path)
    (frame,) = source
    assert (source.width, source.height, source.frame_count) == (64, 48, 1)
    assert (frame.index, frame.pts_seconds) == (0, 0)
    assert np.array_equal(frame.image, quadrants())
    small = frame.render(30, 20)
    assert small.shape == (20, 30, 3)
    assert small.dtype == np.uint8
    assert small.flags.c_contiguous
    frame.render(64, 48)[:] = 0
    assert np.array_equal(frame.render(64, 48), quadrants())
    with pytest.raises(InputError, match="1x1"):
        frame.render(3, 0)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int) -> None:
    undo = {
        2: PIL.Image.Transpose.FLIP_LEFT_RIGHT,
        3: PIL.Image.Transpose.ROTATE_180,
        4: PIL.Image.Transpose.FLIP_TOP_BOTTOM,
        5: PIL.Image.Transpose.TRANSPOSE,
        6: PIL.Image.Transpose.ROTATE_90,
        7: PIL.Image.Transpose.TRANSVERSE,
        8: PIL.Image.Transpose.ROTATE_270,
    }
    stored = PIL.Image.fromarray(quadrants())
    if orientation in undo:
        stored = stored.transpose(undo[orientation])
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "phone.jpg", exif=exif)
    frame = next(open_source(tmp_path / "phone.jpg"))
    assert (frame.width, frame.height) == (64, 48)
    assert corners(frame.image) == "RGBK"


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "1"])
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "image.tif"
    PIL.Image.new(mode, (5, 4)).save(path)
    assert next(open_source(path)).image.shape == (4, 5, 3)


def test_sixteen_bits_are_scaled_not_clipped(tmp_path: Path) -> None:
    path = tmp_path / "thermal.png"
    PIL.Image.fromarray(np.full((4, 5), 0x8000, np.uint16)).save(path)
    assert next(open_source(path)).image[0, 0].tolist() == [0x80] * 3


def test_a_folder_in_natural_order_at_25_per_second(tmp_path: Path) -> None:
    for number in (10, 9, 100, 1):
        save(tmp_path / f"frame{number}.png", number)
    (tmp_path / "notes.txt").write_text("no image")
    source = open_source(tmp_path)
    frames = list(source)
    assert [int(frame.image[0, 0, 0]) for frame in frames] == [1, 9, 10, 100]
    assert [frame.pts_seconds for frame in frames] == pytest.approx([0, 0.04, 0.08, 0.12])
    assert source.frame_count == 4
    assert source.average_rate == 25


def test_images_of_several_sizes(tmp_path: Path) -> None:
    save(tmp_path / "a.png", size=(8, 6))
    save(tmp_path / "b.png", size=(3, 9))
    assert [(frame.width, frame.height) for frame in open_source(tmp_path)] == [(8, 6), (3, 9)]


def test_a_pattern_goes_into_folders(tmp_path: Path) -> None:
    for folder in ("b2", "b10"):
        (tmp_path / folder).mkdir()
        save(tmp_path / folder / "x.png", int(folder[1:]))
    source = open_source(f"{tmp_path}/**/*.png")
    assert [int(frame.image[0, 0, 0]) for frame in source] == [2, 10]


def test_unreadable_images_are_named_counted_and_leave_a_gap(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("0", "2", "4"):
        save(tmp_path / f"{name}.png", int(name))
    (tmp_path / "1.png").write_bytes(b"not an image")
    PIL.Image.fromarray(noise()).save(tmp_path / "3.jpg")
    cut(tmp_path / "3.jpg", 0.5)
    source = open_source(tmp_path)
    frames = list(source)
    assert [frame.index for frame in frames] == [0, 2, 4]
    assert [frame.pts_seconds for frame in frames] == pytest.approx([0, 0.08, 0.16])
    assert source.skipped == 2
    assert "1.png" in caplog.text


@pytest.mark.parametrize("name", ["folder", "folder/*.png"])
def test_nothing_to_show(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "video.mp4").write_bytes(b"x")
    with pytest.raises(SourceError, match="holds no images"):
        open_source(str(tmp_path / name))


def test_an_image_that_cannot_be_read_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "broken.png"
    path.write_bytes(b"")
    with pytest.raises(SourceError, match=r"no image can be decoded .*broken\.png \(cannot ident"):
        open_source(path)
    assert not caplog.text


@pytest.mark.parametrize(
    ("files", "names", "numbers"),
    [
        (["000139.png", "000285.png"], ["000139", "000285"], [139, 285]),
        (["b.png", "a.png"], ["a", "b"], [None, None]),
        (["a.png", "8.png", "7.png"], ["7", "8", "a"], [7, 8, UNNUMBERED]),
        (["a.png", "b.png", "7.png"], ["7", "a", "b"], [None, None, None]),
        (["7.png", "007.png"], ["007", "7"], [None, None]),
        (["7.png", "7.jpg", "8.png"], ["7.jpg", "7.png", "8"], [None, None, None]),
        ([".7.png", "._8.png", "7.png", "8.png"], ["7", "8"], [7, 8]),
    ],
)
def test_frames_know_the_names_and_numbers_that_tell_them_apart(
    tmp_path: Path, files: list[str], names: list[str], numbers: list[int | None]
) -> None:
    for name in files:
        save(tmp_path / name)
    frames = list(open_source(tmp_path))
    assert [frame.image_name for frame in frames] == names
    assert [frame.image_number for frame in frames] == numbers


def test_two_folders_share_names(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        save(tmp_path / folder / "7.png")
    frames = list(open_source(f"{tmp_path}/*/*.png"))
    assert [frame.image_name for frame in frames] == [None, None]


def test_two_images_of_one_number_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save(tmp_path / "7.png")
    save(tmp_path / "07.png")
    open_source(tmp_path)
    assert "two images have the number 7: all are numbered by their order" in caplog.text


@pytest.mark.parametrize("pattern", ["*", "**/*.png", ".*"])
def test_hidden_files_are_no_images(tmp_path: Path, pattern: str) -> None:
    save(tmp_path / "7.png")
    (tmp_path / "._7.png").write_bytes(b"Mac OS X")
    if pattern == ".*":
        with pytest.raises(SourceError, match="holds no images"):
            open_source(f"{tmp_path}/{pattern}")
        return
    for place in (tmp_path, f"{tmp_path}/{pattern}"):
        source = open_source(place)
        assert [frame.index for frame in source] == [0]
        assert source.skipped == 0

"""Images of many pages, of more than 8 bits, of tiles, and with EXIF data that are half broken."""

from __future__ import annotations

import struct
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import PIL.features
import PIL.Image
import pytest
from media import corners, quadrants
from numpy.typing import NDArray
from tiled_avif import write_tiled_avif

from streamseg.errors import SourceError
from streamseg.frame import UNNUMBERED
from streamseg.video.source import open_source

GREYS = (0, 90, 200)
needs_avif = pytest.mark.skipif(not PIL.features.check("avif"), reason="Pillow without AVIF")


def save_pages(path: Path, **options: Any) -> Path:
    first, *others = (
        PIL.Image.fromarray(np.full((8, 8, 3), grey, np.uint8), "RGB") for grey in GREYS
    )
    first.save(path, save_all=True, append_images=others, **options)
    return path


@pytest.mark.parametrize("name", ["a.webp", "a.png", "a.apng", "a.gif"])
def test_an_animation_shows_each_image_as_long_as_it_says(tmp_path: Path, name: str) -> None:
    options: dict[str, Any] = {"lossless": True} if name == "a.webp" else {}
    if name == "a.apng":
        options["format"] = "PNG"
    path = save_pages(tmp_path / name, duration=[100, 300, 100], **options)
    source = open_source(path)
    frames = list(source)
    assert [frame.pts_seconds for frame in frames] == pytest.approx([0, 0.1, 0.4])
    assert [int(frame.image[4, 4, 0]) for frame in frames] == list(GREYS)
    assert [frame.index for frame in frames] == [0, 1, 2]
    assert source.frame_count == 3


@pytest.mark.parametrize("name", ["a.tif", pytest.param("a.avif", marks=needs_avif)])
def test_all_pages_are_taken(tmp_path: Path, name: str) -> None:
    frames = list(open_source(save_pages(tmp_path / name)))
    assert [int(frame.image[4, 4, 0]) for frame in frames] == pytest.approx(list(GREYS), abs=3)


def test_pages_in_a_folder_are_frames_of_their_own(tmp_path: Path) -> None:
    save_pages(tmp_path / "7.tif")
    save_pages(tmp_path / "8.gif", duration=500)
    PIL.Image.new("RGB", (8, 8), (255, 255, 255)).save(tmp_path / "9.png")
    frames = list(open_source(tmp_path))
    assert [int(frame.image[4, 4, 0]) for frame in frames] == [*GREYS, *GREYS, 255]
    assert [frame.pts_seconds for frame in frames] == pytest.approx([i / 25 for i in range(7)])
    assert [frame.image_number for frame in frames] == [
        *(7, UNNUMBERED, UNNUMBERED),
        *(8, UNNUMBERED, UNNUMBERED),
        9,
    ]
    assert [frame.image_name for frame in frames][:3] == ["7", "7-1", "7-2"]


def test_a_preview_is_no_page(tmp_path: Path) -> None:
    whole, preview = PIL.Image.new("RGB", (64, 48)), PIL.Image.new("RGB", (8, 6))
    preview.encoderinfo = {"tiffinfo": {254: 1}}
    whole.save(tmp_path / "a.tif", save_all=True, append_images=[preview])
    (frame,) = open_source(tmp_path / "a.tif")
    assert (frame.width, frame.height) == (64, 48)


def grey(path: Path, values: NDArray[Any], **options: Any) -> list[int]:
    PIL.Image.fromarray(values).save(path, **options)
    return [int(value) for value in next(open_source(path)).image[0, :, 0]]


@pytest.mark.parametrize(
    ("dtype", "values", "shown"),
    [
        (np.int32, (0, 128, 255), (0, 128, 255)),  # 8 bits in 32
        (np.int32, (0, 2048, 4095), (0, 128, 255)),
        (np.int32, (-5, 32768, 65535), (0, 128, 255)),
        (np.float32, (0, 0.5, 1), (0, 128, 255)),
        (np.float32, (0, 0.5, 1.1), (0, 128, 255)),
        (np.float32, (0, 128, 255), (0, 128, 255)),
        (np.float32, (0, 32768, 65535), (0, 128, 255)),
        (np.float32, (0, np.nan, 1), (0, 0, 255)),
        (np.uint16, (0, 2048, 4095), (0, 128, 255)),  # 12 bits in 16
        (np.uint16, (0, 8192, 16383), (0, 128, 255)),
        (np.uint16, (0, 32768, 65535), (0, 128, 255)),
    ],
)
def test_deep_greys_are_scaled_by_the_depth_in_use(
    tmp_path: Path, dtype: Any, values: tuple[float, ...], shown: tuple[int, ...]
) -> None:
    assert grey(tmp_path / "a.tif", np.array([values], dtype)) == list(shown)
    if dtype == np.uint16:
        assert grey(tmp_path / "a.png", np.array([values], dtype)) == list(shown)


def test_what_a_file_says_of_its_depth_counts(tmp_path: Path) -> None:
    values = np.array([[0, 0x1000, 0x2000]], np.uint16)
    assert grey(tmp_path / "a.tif", values, tiffinfo={281: 65535}) == [0, 0x10, 0x20]
    (tmp_path / "a.pgm").write_bytes(b"P5 3 1 4095\n" + np.array([0, 64, 4095], ">u2").tobytes())
    assert next(open_source(tmp_path / "a.pgm")).image[0, :, 0].tolist() == [0, 4, 255]


def test_the_images_of_a_source_are_scaled_alike(tmp_path: Path) -> None:
    for number, value in enumerate((4095, 16383, 4095)):
        values = np.full((1, 1), value, np.uint16)
        PIL.Image.fromarray(values).save(tmp_path / f"{number}.png")
    shown = [int(frame.image[0, 0, 0]) for frame in open_source(tmp_path)]
    assert shown == [255, 255, 63]


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_deep_colours_are_scaled_by_the_depth_in_use(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    values = np.zeros((16, 16, 3), np.uint16)
    values[:] = 4095, 2048, 0
    codec = "png" if name == "a.png" else "tiff"
    with av.open(str(path), "w", format="image2", options={"update": "1"}) as container:
        stream = container.add_stream(codec, rate=1)
        stream.width, stream.height, stream.pix_fmt = (
            16,
            16,
            {"png": "rgb48be"}.get(codec, "rgb48le"),
        )
        frame = av.VideoFrame.from_ndarray(values, format="rgb48le")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert next(open_source(path)).image[3, 3].tolist() == [255, 128, 0]


def write_deep_tiff(path: Path, pixels: NDArray[np.uint8], orientation: int) -> None:
    """RGB of 16 bits, not compressed, with the tags that TIFF 6.0 asks for."""
    height, width, _ = pixels.shape
    short, long = 3, 4
    tags = [
        *((256, short, width), (257, short, height), (258, short, None), (259, short, 1)),
        *((262, short, 2), (273, long, None), (274, short, orientation), (277, short, 3)),
        *((278, short, height), (279, long, pixels.size * 2)),
    ]
    end = 8 + 2 + 12 * len(tags) + 4
    where = {258: end, 273: end + 6}  # bits of each channel, and the pixels
    file = b"II*\0" + struct.pack("<IH", 8, len(tags))
    for tag, kind, value in tags:
        number = where.get(tag) if value is None else value
        file += struct.pack("<HHII", tag, kind, 3 if tag == 258 else 1, number)
    file += struct.pack("<I3H", 0, 16, 16, 16) + (pixels.astype("<u2") * 257).tobytes()
    path.write_bytes(file)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_deep_tiff_is_turned_as_a_shallow_one(tmp_path: Path, orientation: int) -> None:
    write_deep_tiff(tmp_path / "a.tif", quadrants(), orientation)
    with PIL.Image.open(tmp_path / "a.tif") as opened:
        turned = np.array(opened.convert("RGB"))  # Pillow itself turns a TIFF
    assert np.array_equal(next(open_source(tmp_path / "a.tif")).image, turned)


@needs_avif
def test_tiles_are_put_together(tmp_path: Path) -> None:
    path = write_tiled_avif(tmp_path / "a.avif", quadrants(256, 128), 2)
    frame = next(open_source(path))
    assert (frame.width, frame.height) == (256, 128)
    assert corners(frame.image) == "RGBK"
    assert corners(next(open_source(tmp_path)).image) == "RGBK"


@needs_avif
def test_tiles_that_nothing_puts_together_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tiled_avif(tmp_path / "a.heic", quadrants(256, 128), 2)
    PIL.Image.fromarray(quadrants()).save(tmp_path / "b.heic", "AVIF")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)

    def open_nothing(path: Path) -> PIL.Image.Image:
        raise PIL.UnidentifiedImageError

    monkeypatch.setattr(PIL.Image, "open", open_nothing)
    with pytest.raises(SourceError, match=r"made of 2 tiles.*pip install 'streamseg\[heif\]'"):
        open_source(tmp_path / "a.heic")
    source = open_source(tmp_path)
    assert [frame.index for frame in source] == [1]
    assert source.skipped == 1


def test_heic_is_read_whole_where_its_package_is_installed(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif")
    path = tmp_path / "a.heic"
    heif.from_pillow(PIL.Image.fromarray(quadrants())).save(path)
    assert corners(next(open_source(path)).image) == "RGBK"


@pytest.mark.parametrize("name", ["a.dng", "a.NEF", "a.jxl", "a.heic"])
def test_images_that_are_not_read_are_counted(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / name).write_bytes(b"an image of another kind")
    PIL.Image.fromarray(quadrants()).save(tmp_path / "b.png")
    source = open_source(tmp_path)
    assert len(list(source)) == 1
    assert source.skipped == 1
    assert name in caplog.text


def exif(*entries: tuple[int, int, int, bytes]) -> bytes:
    """EXIF data of tag, type, count and value or offset, one by one."""
    ifd = struct.pack("<H", len(entries))
    for tag, kind, count, value in entries:
        ifd += struct.pack("<HHI", tag, kind, count) + value.ljust(4, b"\0")
    return b"Exif\0\0II*\0" + struct.pack("<I", 8) + ifd + bytes(4)


TURNED = (0x0112, 3, 1, struct.pack("<H", 6))


@pytest.mark.filterwarnings("ignore:Tag data larger than file:UserWarning")
@pytest.mark.parametrize(
    "broken",
    [
        (0x011A, 10, 1, struct.pack("<I", 26)),  # the resolution as a signed fraction
        (0x0100, 2, 4, b"wide"),  # the width as text
        (0x8769, 2, 4, b"text"),  # text for an offset
        (0x010F, 2, 9000, struct.pack("<I", 9000)),  # beyond the end
        (0x0128, 77, 1, b"\1"),  # an unknown type
    ],
)
def test_broken_exif_data_cost_no_photo(
    tmp_path: Path, broken: tuple[int, int, int, bytes]
) -> None:
    stored = PIL.Image.fromarray(quadrants()).transpose(PIL.Image.Transpose.ROTATE_90)
    path = tmp_path / "a.jpg"
    stored.save(path, exif=exif(broken, TURNED), quality=95)
    source = open_source(path)
    assert corners(next(source).image) == "RGBK"
    assert source.skipped == 0


@pytest.mark.parametrize("orientation", [(0x0112, 2, 4, b"left"), (0x0112, 3, 1, b"\x63")])
def test_an_orientation_that_means_nothing_turns_nothing(
    tmp_path: Path, orientation: tuple[int, int, int, bytes]
) -> None:
    path = tmp_path / "a.jpg"
    PIL.Image.fromarray(quadrants()).save(path, exif=exif(orientation), quality=95)
    assert corners(next(open_source(path)).image) == "RGBK"

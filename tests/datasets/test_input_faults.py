"""Images that EXIF data turn, images of 16 bits, and text files with byte order marks."""

from __future__ import annotations

import codecs
import json
import logging
from pathlib import Path

import numpy as np
import pytest
from dataset_files import coco_document, rectangle, write_coco, write_voc
from media import quadrants
from PIL import Image

from streamseg.datasets import CocoFile, VocLayout
from streamseg.errors import DataError
from streamseg.video.source import open_source

# pycocotools 2.0.11 itself does not follow numpy 2 when it decodes
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

ORIENTATION = 0x0112
STORED = quadrants(8, 6)


def write_turned(path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    Image.fromarray(STORED).save(path, exif=exif)


def coco_of(folder: Path, height: int, width: int) -> CocoFile:
    annotations = [{"category": "car", "segmentation": rectangle(0, 0, 2, 2)}]
    document = coco_document(annotations, file_names=("one.png",), height=height, width=width)
    return CocoFile(write_coco(folder / "a.json", folder, document))


def test_coco_reads_images_as_stored_and_tells_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dataset = coco_of(tmp_path, *STORED.shape[:2])
    write_turned(tmp_path / "one.png", 3)
    for _ in range(2):
        assert np.array_equal(dataset.load("one").image, STORED)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.message.startswith(
        f"{tmp_path / 'one.png'} has EXIF orientation 3; it is read as it is stored, as the tools"
    )


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_the_size_of_the_labels_tells_whether_they_were_drawn_on_the_turned_image(
    tmp_path: Path, orientation: int, caplog: pytest.LogCaptureFixture
) -> None:
    height, width = STORED.shape[:2]
    for size in ((height, width), (width, height)):
        dataset = coco_of(tmp_path, *size)
        write_turned(tmp_path / "one.png", orientation)
        image = dataset.load("one").image
        assert image.shape[:2] == size
        shown = next(iter(open_source(tmp_path / "one.png"))).image
        assert np.array_equal(image, STORED if size == (height, width) else shown)
    assert [("as it is stored" in text, "of that size" in text) for text in caplog.messages] == [
        (True, True),
        (False, True),
    ]


def test_a_turned_image_of_another_size_is_refused(tmp_path: Path) -> None:
    dataset = coco_of(tmp_path, 6, 9)
    write_turned(tmp_path / "one.png", 6)
    with pytest.raises(DataError, match=r"one\.png is \d+x\d+ pixels, but its mask is 9x6"):
        dataset.load("one")


@pytest.mark.parametrize("highest", [1023, 4095, 65535])
@pytest.mark.parametrize("ending", ["png", "tif"])
def test_grey_images_of_16_bits_are_scaled_as_when_run(
    tmp_path: Path, highest: int, ending: str
) -> None:
    ramp = np.linspace(0, highest, 48).astype(np.uint16).reshape(6, 8)
    annotations = [{"category": "car", "segmentation": rectangle(0, 0, 2, 2)}]
    document = coco_document(annotations, file_names=(f"one.{ending}",))
    dataset = CocoFile(write_coco(tmp_path / "a.json", tmp_path, document))
    path = tmp_path / f"one.{ending}"
    Image.fromarray(ramp).save(path)
    image = dataset.load("one").image
    assert np.array_equal(image, next(iter(open_source(path))).image)
    assert np.abs(image[..., 0] - ramp * 255.0 / highest).max() <= 1


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ],
)
def test_byte_order_marks_and_line_ends_of_windows_are_accepted(
    tmp_path: Path, mark: bytes, encoding: str
) -> None:
    maps = np.array([[1, 0]], np.uint8), np.array([[7, 0]], np.uint8)
    root = write_voc(tmp_path / "voc", {"a": maps, "b": maps})
    split, classes = root / "ImageSets/Segmentation/val.txt", root / "classes.txt"
    split.write_bytes(mark + "a\r\nb\r\n".encode(encoding))
    classes.write_bytes(mark + "car\r\n".encode(encoding))
    dataset = VocLayout(root, "val")
    assert dataset.ids == ("a", "b")
    assert len(dataset.labelled_classes) == 1

    file = write_coco(tmp_path / "a.json", tmp_path, coco_document([]))
    file.write_bytes(mark + json.dumps(coco_document([])).encode(encoding))
    assert CocoFile(file).ids == ("one",)

"""Files as labelme 6.3 writes them (labelme/_label_file.py), checked against its own drawing."""

from __future__ import annotations

import base64
import json
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataset_files import write_image
from PIL import Image

from streamseg.datasets import VOID, LabelMeFolder, open_dataset
from streamseg.errors import DataError

# pycocotools 2.0.11 itself does not follow numpy 2 when it decodes
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

ORIENTATION = 0x0112


def shape(label: str, points: object, kind: str | None = "polygon", **more: Any) -> dict[str, Any]:
    return {
        "label": label,
        "points": points,
        "group_id": None,
        "description": "",
        "shape_type": kind,
        "flags": {},
        "mask": None,
        **more,
    }


def in_base64(image: Image.Image, kind: str = "PNG", **options: Any) -> str:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return base64.b64encode(buffer.getvalue()).decode()


def write_labelme(folder: Path, shapes: list[dict[str, Any]], name: str = "a", **more: Any) -> Path:
    """A file of labels, and its image of 20x10 pixels; gives the former."""
    write_image(folder / f"{name}.jpg", 20, 10)
    document: dict[str, Any] = {
        "version": "6.3.1",
        "flags": {},
        "shapes": shapes,
        "imagePath": f"{name}.jpg",
        "imageData": None,
        "imageHeight": 10,
        "imageWidth": 20,
    }
    file = folder / f"{name}.json"
    file.write_text(json.dumps({**document, **more}))
    return file


def rectangle(label: str, x0: float, y0: float, x1: float, y1: float, **more: Any) -> Any:
    return shape(label, [[x0, y0], [x1, y1]], "rectangle", **more)


def test_every_shape_with_an_area_is_an_object(tmp_path: Path) -> None:
    bitmap = Image.fromarray(np.array([[255, 0], [255, 255]], np.uint8))
    write_labelme(
        tmp_path,
        [
            shape("pallet", [[1, 1], [4, 1], [4, 3], [1, 3]], None),
            rectangle("forklift", 8, 3, 6, 0),
            shape("sign", [[12, 2], [12, 4]], "circle"),
            shape("sign", [[16, 1], [18, 1], [18, 2], [16, 2]], "oriented_rectangle"),
            shape("sign", [[0, 8], [1, 9]], "mask", mask=in_base64(bitmap)),
            rectangle("__ignore__", 4, 6, 5, 7),
            shape("pallet", [[8, 6], [9, 6], [9, 8], [8, 8]], "rectangle"),  # X-AnyLabeling
        ],
    )
    dataset = open_dataset(tmp_path, "train")
    assert isinstance(dataset, LabelMeFolder)
    assert dataset.ids == ("a",)
    assert dataset.class_names == ("forklift", "pallet", "sign")
    assert dataset.labelled_classes == {1, 2, 3}
    sample = dataset.load("a")
    expected = np.zeros((10, 20), np.uint8)
    y, x = np.mgrid[:10, :20]
    expected[(x - 12) ** 2 + (y - 2) ** 2 <= 5] = 1
    expected[1:4, 1:5] = 2
    expected[0:4, 6:9] = 3
    expected[1:3, 16:19] = 4
    expected[6:9, 8:10] = 5
    expected[8:10, 0] = expected[9, 1] = 6
    expected[6:8, 4:6] = VOID
    assert sample.class_of_object.tolist() == [3, 2, 1, 3, 2, 3]
    assert np.array_equal(sample.object_map[expected != 1], expected[expected != 1])
    assert np.count_nonzero((sample.object_map == 1) != (expected == 1)) == 0
    assert sample.image.shape == (10, 20, 3)


def test_shapes_with_one_label_and_group_are_one_object(tmp_path: Path) -> None:
    parts = [rectangle("car", x, 0, x + 1, 1, group_id=3) for x in (0, 6)]
    other = rectangle("sign", 12, 0, 13, 1, group_id=3)
    alone = [rectangle("sign", x, 5, x, 5) for x in (1, 3)]
    ignored = rectangle("__ignore__", 17, 7, 18, 8)
    write_labelme(tmp_path, [parts[0], other, *alone, parts[1], ignored])
    dataset = LabelMeFolder(tmp_path, "train")
    assert dataset.object_classes == [(1, 2, 2, 2)]
    maps = dataset.load_maps(0)
    assert maps.class_of_object.tolist() == [1, 2, 2, 2]
    assert maps.object_map[0, :14].tolist() == [1, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 2, 2]


def test_shapes_and_bitmaps_may_reach_out_of_the_image(tmp_path: Path) -> None:
    bitmap = in_base64(Image.new("1", (4, 4), 1))
    write_labelme(
        tmp_path,
        [
            shape("sign", [[-2, -2], [1, 1]], "mask", mask=bitmap),
            shape("sign", [[18, 8], [21, 11]], "mask", mask=bitmap),
            shape("sign", [[30, 30], [33, 33]], "mask", mask=bitmap),
            shape("sign", [[21, 0], [24, 3]], "mask", mask=bitmap),
            shape("sign", [[0, 11], [3, 14]], "mask", mask=bitmap),
            rectangle("sign", 17, -3, 40, 1),
        ],
    )
    maps = LabelMeFolder(tmp_path, "train").load_maps(0)
    areas = np.bincount(maps.object_map.ravel(), minlength=4)[1:]
    assert areas.tolist() == [6, 4, 4]


def test_splits_are_folders_and_share_their_classes(tmp_path: Path) -> None:
    for split, label in (("train", "pallet"), ("val/first", "forklift")):
        (tmp_path / split).mkdir(parents=True)
        write_labelme(tmp_path / split, [rectangle(label, 0, 0, 1, 1)])
    (tmp_path / "train/._a.json").write_bytes(b"\x00")  # left by a Mac
    train, val = (open_dataset(tmp_path, split) for split in ("train", "val"))
    assert (train.ids, val.ids) == (("train/a",), ("val/first/a",))
    assert train.class_names == val.class_names == ("forklift", "pallet")
    assert val.load(0).class_of_object.tolist() == [1]
    with pytest.raises(DataError, match="test does not exist; splits there are: train, val"):
        open_dataset(tmp_path, "test")


@pytest.mark.parametrize("said", ["..\\images\\a.jpg", "../images/a.jpg", "/gone/a.jpg"])
def test_images_are_found_where_the_file_says_or_beside_it(tmp_path: Path, said: str) -> None:
    (tmp_path / "labels").mkdir()
    write_labelme(tmp_path / "labels", [rectangle("sign", 0, 0, 1, 1)], imagePath=said)
    if "images" in said:
        (tmp_path / "images").mkdir()
        (tmp_path / "labels/a.jpg").rename(tmp_path / "images/a.jpg")
    assert LabelMeFolder(tmp_path / "labels", "train").load(0).image.shape == (10, 20, 3)


@pytest.mark.parametrize("says_size", [True, False])
def test_an_image_without_a_file_is_taken_from_the_json(tmp_path: Path, says_size: bool) -> None:
    pixels = np.random.default_rng(0).integers(256, size=(10, 20, 3), dtype=np.uint8)
    data = in_base64(Image.fromarray(pixels))
    size: dict[str, Any] = {} if says_size else {"imageHeight": None, "imageWidth": None}
    file = write_labelme(tmp_path, [rectangle("sign", 0, 0, 1, 1)], imageData=data, **size)
    (tmp_path / "a.jpg").unlink()
    dataset = LabelMeFolder(tmp_path, "train")
    assert np.array_equal(dataset.load(0).image, pixels)
    assert dataset.image_path("a") == file


def test_images_are_turned_as_their_exif_data_say(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_labelme(tmp_path, [rectangle("sign", 0, 15, 1, 16)], imageHeight=20, imageWidth=10)
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    Image.new("RGB", (20, 10)).save(tmp_path / "a.jpg", exif=exif)
    sample = LabelMeFolder(tmp_path, "train").load(0)
    assert sample.image.shape == (20, 10, 3)
    assert np.count_nonzero(sample.object_map) == 4
    assert not caplog.messages


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (shape("sign", [[0, 0], [5, 5]], "line"), "a line has no area; allowed are polygon"),
        (shape("sign", [[0, 0]], "point"), "a point has no area"),
        (shape("sign", [[0, 0], [5, 5]]), "a polygon needs 3 points, got 2"),
        (shape("sign", [[0, 0]], "circle"), "a circle needs 2 points, got 1"),
        (shape("sign", [[0, 0], [1, 1], [2, 2]], "mask"), "a mask needs 2 points, got 3"),
        (shape("sign", [[0, 0], [1, 1]], "mask"), "mask must be str, got None"),
        (shape("sign", [[0, 0], [1, 1]], "mask", mask="?"), "mask must be a PNG in base64"),
        (shape("sign", [[0, 0], [1, 1]], "mask", mask="AAAA"), "mask must be a PNG in base64"),
        (shape("sign", [0, 0, 5, 5, 0, 5]), "points must be a list of pairs x, y"),
        (shape("sign", [[0, 0], [5, 5], [0, float("inf")]]), "points reach far out"),
        (shape("sign", [[0, 0], [5, 5], [0, 5]], group_id="x"), "group_id must be int or null"),
        (shape(None, [[0, 0], [5, 5], [0, 5]]), "label must be str, got None"),  # type: ignore[arg-type]
    ],
)
def test_broken_shapes_are_named(tmp_path: Path, broken: dict[str, Any], message: str) -> None:
    write_labelme(tmp_path, [rectangle("sign", 0, 0, 1, 1), broken])
    with pytest.raises(DataError, match=rf"a\.json: shapes\[1\]: {message}"):
        LabelMeFolder(tmp_path, "train")


def test_broken_files_are_named(tmp_path: Path) -> None:
    file = write_labelme(tmp_path, [rectangle("sign", 0, 0, 1, 1)], imageData="AAAA")
    (tmp_path / "a.jpg").unlink()
    with pytest.raises(DataError, match=r"a\.json: imageData is not an image"):
        LabelMeFolder(tmp_path, "train").load(0)
    write_labelme(tmp_path, [], imageData=None)
    (tmp_path / "a.jpg").unlink()
    with pytest.raises(DataError, match=r"a\.json: its image .*a\.jpg does not exist"):
        LabelMeFolder(tmp_path, "train")
    write_labelme(tmp_path, [])
    with pytest.raises(DataError, match="must have 1 to 1000 classes, got 0"):
        LabelMeFolder(tmp_path, "train")
    file.write_text("[]")
    with pytest.raises(DataError, match=r"a\.json is not a file of LabelMe"):
        LabelMeFolder(tmp_path, "train")

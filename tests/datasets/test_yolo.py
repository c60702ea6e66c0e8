from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from dataset_files import write_image
from numpy.typing import NDArray
from PIL import Image

from streamseg.datasets import VOID, YoloFolder, open_dataset
from streamseg.errors import DataError

# pycocotools 2.0.11 itself does not follow numpy 2 when it decodes
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

DOCUMENTED = """\
path: . # dataset root dir
train: images/train # train images (relative to 'path')
val: images/val
test: # test images (optional)
names:
  0: pallet
  1: forklift
"""
SQUARE = "0.25 0.2 0.75 0.2 0.75 0.8 0.25 0.8"


def write_yolo(root: Path, labels: dict[str, str | None], description: str = DOCUMENTED) -> Path:
    """Images of 20x10 pixels; their label files by the path from ``labels``, without ending."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "data.yaml").write_text(description)
    for name, text in labels.items():
        write_image(root / "images" / f"{name}.jpg", 20, 10)
        if text is not None:
            file = root / "labels" / f"{name}.txt"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
    return root


def test_the_documented_layout(tmp_path: Path) -> None:
    root = write_yolo(
        tmp_path,
        {"train/b": f"1 {SQUARE}\n", "train/a": None, "val/c": f"0 {SQUARE}\n"},
    )
    dataset = open_dataset(root, "train")
    assert isinstance(dataset, YoloFolder)
    assert dataset.ids == ("images/train/a", "images/train/b")
    assert dataset.class_names == ("pallet", "forklift")
    assert dataset.labelled_classes == {1, 2}
    assert len(dataset.load(0)) == 0  # without a file of labels
    sample = dataset.load(1)
    assert sample.class_of_object.tolist() == [2]
    expected = np.zeros((10, 20), np.uint8)
    expected[2:9, 5:16] = 1  # with the outline, as OpenCV fills
    assert np.array_equal(sample.object_map, expected)
    assert open_dataset(root / "data.yaml", "val").ids == ("images/val/c",)
    (root / "data.yaml").rename(root / "mine.yml")
    (root / "training.yaml").write_text("epochs: 3")
    assert open_dataset(root, "val").ids == ("images/val/c",)


def shapes() -> NDArray[np.bool_]:
    """[4, 48, 64]: a square, a disc, one with a hole, and one of a few pixels."""
    y, x = np.mgrid[:48, :64]
    square = (x >= 3) & (x < 20) & (y >= 5) & (y < 15)
    disc = (x - 44) ** 2 + (y - 12) ** 2 <= 81
    ring = ((x - 20) ** 2 + (y - 34) ** 2 <= 121) & ((x - 20) ** 2 + (y - 34) ** 2 > 16)
    small = (x >= 50) & (x < 53) & (y >= 40) & (y < 44)
    return np.stack([square, disc, ring, small])


def test_what_supervision_writes_is_read_pixel_by_pixel(tmp_path: Path) -> None:
    supervision = pytest.importorskip("supervision")
    masks = shapes()
    detections = supervision.Detections(
        xyxy=supervision.mask_to_xyxy(masks), mask=masks, class_id=np.array([0, 1, 1, 0])
    )
    path = str(tmp_path / "in/one.png")
    write_image(Path(path), 64, 48)
    supervision.DetectionDataset(["pallet", "forklift"], [path], {path: detections}).as_yolo(
        str(tmp_path / "out/images"), str(tmp_path / "out/labels"), str(tmp_path / "out/data.yaml")
    )
    dataset = open_dataset(tmp_path / "out", "train")
    sample = dataset.load("images/one")
    assert dataset.class_names == ("pallet", "forklift")
    assert sample.class_of_object.tolist() == [2, 2, 1, 1]  # from large to small
    for number, index in enumerate([2, 1, 0, 3], start=1):
        assert np.array_equal(sample.object_map == number, masks[index]), number


def test_the_smaller_of_two_objects_lies_on_top_and_a_line_counts_once(tmp_path: Path) -> None:
    small, large = "0 0.5 0.5 0.6 0.5 0.6 0.7 0.5 0.7", f"1.0 {SQUARE}"
    root = write_yolo(tmp_path, {"train/a": f"{small}\n{large}\n\n{large}\n"})
    maps = YoloFolder(root / "data.yaml", "train").load_maps(0)
    assert maps.class_of_object.tolist() == [2, 1]
    assert YoloFolder(root / "data.yaml", "train").object_classes == [(1, 2)]
    assert np.count_nonzero(maps.object_map == 2) == 3 * 3
    assert VOID not in maps.object_map


def test_images_are_turned_as_their_exif_data_say(tmp_path: Path) -> None:
    root = write_yolo(tmp_path, {"train/a": f"0 {SQUARE}"})
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (20, 10)).save(root / "images/train/a.jpg", exif=exif)
    sample = YoloFolder(root / "data.yaml", "train").load(0)
    assert sample.image.shape == (20, 10, 3)
    rows, columns = np.nonzero(sample.object_map)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (4, 16, 2, 8)


@pytest.mark.parametrize(
    ("train", "images"),
    [
        ("train: images/train", "images/train"),
        ("train: ../train/images", "train/images"),  # Roboflow
        ("train: train.txt", "images/train"),  # CVAT
        ("train: [images/more, images/train]", "images/train"),
        ("path: nowhere/else\ntrain: images/train", "images/train"),
        ("", "images/train"),
        ("", "train/images"),
        ("", "images"),
    ],
)
def test_images_and_labels_are_found(
    tmp_path: Path, train: str, images: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_yolo(tmp_path, {"more/b": None}, f"{train}\nnames: [pallet]")
    if images == "images":
        (tmp_path / "images/more/b.jpg").unlink()
    write_image(tmp_path / images / "a.png", 20, 10)
    labels = tmp_path / images.replace("images", "labels")
    labels.mkdir(parents=True)
    (labels / "a.txt").write_text(f"0 {SQUARE}")
    (tmp_path / "train.txt").write_text(f"{images}/a.png\n")
    for path in (tmp_path, tmp_path / "data.yaml", Path("data.yaml")):
        monkeypatch.chdir(tmp_path)
        dataset = open_dataset(path, "train")
        assert f"{images}/a" in dataset.ids
        assert len(dataset.load(f"{images}/a")) == 1


def test_a_path_of_a_list_starts_where_the_list_is(tmp_path: Path) -> None:
    root = write_yolo(tmp_path, {"train/a": f"0 {SQUARE}"}, "train: lists/t.txt\nnames: [pallet]")
    (root / "lists").mkdir()
    (root / "lists/t.txt").write_text("../images/train/a.jpg\r\n")
    assert len(YoloFolder(root / "data.yaml", "train").load(0)) == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 0.5 0.5 0.2 0.2", "line 2 is a box; masks are needed"),
        ("0 0.5 0.5 0.2 0.2 0.9 0.9 0.1", "line 2 must hold .* got 7 numbers after the class"),
        ("0 0.5 0.5", "got 2 numbers"),
        ("0 0.1 0.1 0.9 nan 0.9 0.9", "must be from 0 to 1"),
        ("0 10 10 90 10 90 90", "must be from 0 to 1"),
        (f"2 {SQUARE}", "class 2 has no name; named are 0 to 1"),
        (f"-1 {SQUARE}", "class -1 has no name"),
        (f"0.5 {SQUARE}", r"class 0\.5 has no name"),
        (f"pallet {SQUARE}", "must hold numbers, got 'pallet 0"),
    ],
)
def test_broken_lines_are_named(tmp_path: Path, line: str, message: str) -> None:
    root = write_yolo(tmp_path, {"train/a": f"0 {SQUARE}\n{line}\n"})
    dataset = YoloFolder(root / "data.yaml", "train")
    with pytest.raises(DataError, match=rf"train{os.sep}a\.txt: .*{message}"):
        dataset.load_maps(0)


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ("- a", "is not a description of a YOLO data set"),
        ("names: [", "is not YAML"),
        ("train: images/train", "names must be a list, or a table by number, got None"),
        ("names: [forklift, no]\ntrain: images/train", "names must be text, got False; put it in"),
        ("names: {1: a, 2: b}\ntrain: images/train", r"numbered 0, 1, \.\.\., got \[1, 2\]"),
        ("names: []\ntrain: images/train", "must have 1 to 1000 classes, got 0"),
        ("names: [a]\nval: images/train", "has no split 'train'; splits there are: val"),
        ("names: [a]\ntrain: images/test", "names images/test, but .*images/test does not exist"),
        ("names: [a]\ntrain: [3]", "train must be a path or a list of paths, got 3"),
        ("names: [a]\ntrain: labels", "split 'train' has no image"),
        ("names: [a]\npath: 3\ntrain: images", "path must be text, got 3"),
        ("names: [a]\ntrain: data.yaml", r": line 1: .*names: \[a\] does not exist"),
    ],
)
def test_broken_descriptions_are_refused(tmp_path: Path, description: str, message: str) -> None:
    root = write_yolo(tmp_path, {"train/a": f"0 {SQUARE}"}, description)
    with pytest.raises(DataError, match=rf"data\.yaml.*{message}"):
        YoloFolder(root / "data.yaml", "train")


def test_images_without_any_labels_are_refused(tmp_path: Path) -> None:
    root = write_yolo(tmp_path, {"train/a": None})
    with pytest.raises(
        DataError, match=r"has labels; those of .* would be in .*labels/train/a\.txt"
    ):
        YoloFolder(root / "data.yaml", "train")


def test_an_image_whose_labels_are_those_of_another_is_refused(tmp_path: Path) -> None:
    root = write_yolo(tmp_path, {"train/a": f"0 {SQUARE}"})
    write_image(root / "images/train/a.png", 20, 10)
    with pytest.raises(DataError, match=r"data\.yaml lists images/train/a twice"):
        YoloFolder(root / "data.yaml", "train")

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from dataset_files import coco_document, rectangle, write_coco, write_sbd, write_voc

from streamseg.datasets import CocoFile, SbdLayout, VocLayout, open_dataset
from streamseg.errors import DataError

# pycocotools 2.0.11 itself does not follow numpy 2 when it decodes
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

OBJECTS = np.array([[1, 1, 0], [0, 2, 2]], np.uint8)
CLASSES = np.array([[7, 7, 0], [0, 15, 15]], np.uint8)
DOCUMENT = coco_document(
    [
        {"category": "car", "segmentation": rectangle(0, 0, 2, 1)},
        {"category": "person", "segmentation": rectangle(1, 1, 3, 2)},
    ],
    file_names=("x.jpg",),
    height=2,
    width=3,
)


def test_a_folder_or_file_is_recognised_and_every_format_reads_the_same(tmp_path: Path) -> None:
    voc = open_dataset(write_voc(tmp_path / "voc", {"x": (OBJECTS, CLASSES)}), "val")
    sbd = open_dataset(str(write_sbd(tmp_path / "sbd", {"x": (OBJECTS, (7, 15))})), "val")
    coco = tmp_path / "coco"
    file = write_coco(coco / "annotations/instances_val2017.json", coco / "val2017", DOCUMENT)
    by_file, by_folder = open_dataset(file, "train"), open_dataset(coco, "val2017")
    kinds = [type(data) for data in (voc, sbd, by_file, by_folder)]
    assert kinds == [VocLayout, SbdLayout, CocoFile, CocoFile]
    for dataset in (voc, sbd, by_file, by_folder):
        assert len(dataset) == 1
        names = [dataset.class_names[k - 1] for k in dataset.object_classes[0]]
        assert names == ["car", "person"]
        sample = pickle.loads(pickle.dumps(dataset)).load("x")  # as data-loading workers get it
        assert sample.object_map.tolist() == OBJECTS.tolist()
        assert sample.image.shape == (2, 3, 3)


@pytest.mark.parametrize(
    ("file", "images"),
    [
        ("_annotations.coco.json", "."),
        ("labels.json", "images"),
        ("annotations/instances_default.json", "images"),
        ("annotations/instances_val2017.json", "val2017"),
        ("annotations/instances_val2017.json", "images/val2017"),
    ],
)
def test_images_of_a_coco_file_are_found(tmp_path: Path, file: str, images: str) -> None:
    write_coco(tmp_path / file, tmp_path / images, DOCUMENT)
    dataset = open_dataset(tmp_path / file, "val")
    assert dataset.image_path("x").resolve() == (tmp_path / images / "x.jpg").resolve()


def test_unknown_coco_split_names_those_there_are(tmp_path: Path) -> None:
    for split in ("val2017", "train2017"):
        write_coco(tmp_path / f"annotations/instances_{split}.json", tmp_path / split, DOCUMENT)
    with pytest.raises(
        DataError, match=r"instances_val\.json does not exist; .* are: train2017, val2017$"
    ):
        open_dataset(tmp_path, "val")


def test_what_is_no_data_set_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere does not exist$"):
        open_dataset(tmp_path / "nowhere", "val")
    with pytest.raises(
        DataError, match=r"holds none of ImageSets/Segmentation \(VOC\), .*files of LabelMe$"
    ):
        open_dataset(tmp_path, "val")
    (tmp_path / "a.txt").touch()
    with pytest.raises(DataError, match=r"a\.txt is not a data set: give a folder, the \.json"):
        open_dataset(tmp_path / "a.txt", "val")


@pytest.mark.parametrize("nested", ["VOC2012", "VOCdevkit/VOC2012"])
def test_a_folder_above_the_data_set_is_pointed_out(tmp_path: Path, nested: str) -> None:
    write_voc(tmp_path / nested, {"x": (OBJECTS, CLASSES)})
    with pytest.raises(DataError, match=rf"did you mean .*{nested}\?$"):
        open_dataset(tmp_path, "val")

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from dataset_files import write_mask, write_voc
from PIL import Image

from streamseg.datasets import VocLayout
from streamseg.errors import DataError

# two cats (8) that the file numbers 3 and 7, void between them; a stray dog (12) pixel on the first
OBJECTS = np.array([[3, 3, 3, 255, 7, 7], [0, 3, 3, 255, 7, 0]], np.uint8)
CLASSES = np.array([[8, 8, 12, 255, 8, 8], [0, 8, 8, 255, 8, 0]], np.uint8)
EMPTY = np.zeros((4, 5), np.uint8)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_voc(tmp_path / "VOC2012", {"b": (OBJECTS, CLASSES), "a": (EMPTY, EMPTY)})


def test_numbers_objects_without_gaps_and_keeps_void(root: Path) -> None:
    sample = VocLayout(root, "val").load("b")
    expected = [[1, 1, 1, 255, 2, 2], [0, 1, 1, 255, 2, 0]]
    assert sample.object_map.tolist() == expected
    assert sample.object_map.dtype == np.uint8
    assert len(sample) == 2


def test_class_of_an_object_is_that_of_most_of_its_pixels(root: Path) -> None:
    class_of_object = VocLayout(root, "val").load("b").class_of_object
    assert class_of_object.tolist() == [8, 8]
    assert class_of_object.dtype == np.int64


def test_background_and_void_have_no_vote_and_a_tie_goes_to_the_lower_class(tmp_path: Path) -> None:
    objects = np.array([[1, 1, 1, 1, 1, 1, 1]], np.uint8)
    classes = np.array([[0, 0, 0, 255, 255, 20, 15]], np.uint8)
    dataset = VocLayout(write_voc(tmp_path, {"x": (objects, classes)}), "val")
    assert dataset.load_maps("x").class_of_object.tolist() == [15]


def test_image_is_rgb_at_the_size_of_the_masks(root: Path) -> None:
    sample = VocLayout(root, "val").load("b")
    assert sample.image.shape == (2, 6, 3)
    assert sample.image.dtype == np.uint8
    assert np.abs(sample.image.astype(int) - (200, 100, 0)).max() < 8  # JPEG is lossy


def test_grey_images_become_rgb(root: Path) -> None:
    Image.new("L", (6, 2), 90).save(root / "JPEGImages/b.jpg")
    assert VocLayout(root, "val").load("b").image.shape == (2, 6, 3)


def test_grey_masks_are_read_as_indices(root: Path) -> None:
    Image.fromarray(OBJECTS).save(root / "SegmentationObject/b.png")
    assert VocLayout(root, "val").load_maps("b").object_map.max(initial=0, where=OBJECTS < 255) == 2


def test_images_come_in_the_order_of_the_split_file_by_id_or_position(root: Path) -> None:
    dataset = VocLayout(root, "val")
    assert dataset.ids == ("b", "a")
    assert len(dataset) == 2
    assert [dataset.load(index).id for index in (0, 1, -1)] == ["b", "a", "a"]
    assert dataset.load_maps("a").id == "a"


def test_object_classes_reads_masks_only(root: Path) -> None:
    dataset = VocLayout(root, "val")
    for image in (root / "JPEGImages").iterdir():
        image.write_bytes(b"")
    assert dataset.object_classes == [(8, 8), ()]


def test_travels_to_worker_processes(root: Path) -> None:
    dataset = pickle.loads(pickle.dumps(VocLayout(str(root), "val")))
    assert dataset.load(0).id == "b"


def test_missing_root(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere.* does not exist$"):
        VocLayout(tmp_path / "nowhere", "val")


def test_unknown_split_names_those_there_are(root: Path) -> None:
    write_voc(root, {"b": (OBJECTS, CLASSES)}, split="train")
    with pytest.raises(DataError, match=r"test\.txt does not exist; splits there are: train, val"):
        VocLayout(root, "test")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\n \n", "lists no image"),
        (b"a\nb\na\n", "lists a twice"),
        (b"\xff", "cannot be read"),
    ],
)
def test_broken_split_file(root: Path, content: bytes, message: str) -> None:
    (root / "ImageSets/Segmentation/val.txt").write_bytes(content)
    with pytest.raises(DataError, match=rf"val\.txt {message}"):
        VocLayout(root, "val")


@pytest.mark.parametrize("folder", ["JPEGImages", "SegmentationObject", "SegmentationClass"])
def test_missing_files_and_folders_are_found_at_once(root: Path, folder: str) -> None:
    (file,) = (root / folder).glob("a.*")
    file.unlink()
    with pytest.raises(DataError, match=rf"{folder}/a\..* does not exist \(1 of the 2 images"):
        VocLayout(root, "val")
    for other in (root / folder).iterdir():
        other.unlink()
    (root / folder).rmdir()
    with pytest.raises(DataError, match=rf"{folder} does not exist"):
        VocLayout(root, "val")


@pytest.mark.parametrize("file", ["JPEGImages/b.jpg", "SegmentationObject/b.png"])
def test_unreadable_images_name_the_file(root: Path, file: str) -> None:
    dataset = VocLayout(root, "val")
    whole = (root / file).read_bytes()
    for content, message in (
        (b"", "is empty"),
        (b"not an image", "is not an image"),
        (whole[: len(whole) // 2], "cannot be read"),
    ):
        (root / file).write_bytes(content)
        with pytest.raises(DataError, match=rf"{file} {message}"):
            dataset.load("b")
    (root / file).unlink()
    with pytest.raises(DataError, match=rf"{file} cannot be read: .*No such file"):
        dataset.load("b")


def test_sizes_must_agree(root: Path) -> None:
    dataset = VocLayout(root, "val")
    Image.new("RGB", (7, 2)).save(root / "JPEGImages/b.jpg")
    with pytest.raises(DataError, match=r"b\.jpg is 7x2 pixels, but its mask is 6x2"):
        dataset.load("b")
    write_mask(root / "SegmentationClass/b.png", EMPTY)
    with pytest.raises(DataError, match=r"SegmentationClass/b\.png is 5x4 pixels, but .* is 6x2"):
        dataset.load_maps("b")


def test_masks_of_another_mode_are_refused(root: Path) -> None:
    Image.new("LA", (6, 2)).save(root / "SegmentationClass/b.png")
    with pytest.raises(DataError, match=r"SegmentationClass/b\.png: mode LA"):
        VocLayout(root, "val").load_maps("b")


@pytest.mark.parametrize(
    ("value", "message"), [(21, "holds class 21"), (0, "no pixel of object 3 of .* has a class")]
)
def test_objects_of_no_known_class_are_refused(root: Path, value: int, message: str) -> None:
    write_mask(root / "SegmentationClass/b.png", np.where(OBJECTS == 3, value, 8).astype(np.uint8))
    with pytest.raises(DataError, match=message):
        VocLayout(root, "val").load_maps("b")


def test_all_classes_are_labelled_unless_a_file_lists_them(root: Path) -> None:
    assert VocLayout(root, "val").labelled_classes == frozenset(range(1, 21))
    (root / "classes.txt").write_text("car\n\nDining Table\n")
    assert VocLayout(root, "val").labelled_classes == {7, 11}


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"\n", "names no class"), (b"car:1,2", "line 1: a colour is r,g,b"), (b"\xff", "cannot be")],
)
def test_broken_class_list(root: Path, content: bytes, message: str) -> None:
    (root / "classes.txt").write_bytes(content)
    with pytest.raises(DataError, match=rf"classes\.txt.* {message}|classes\.txt: {message}"):
        VocLayout(root, "val")

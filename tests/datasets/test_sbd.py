from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dataset_files import write_image, write_sbd
from scipy.io import savemat

from streamseg.datasets import SbdLayout
from streamseg.errors import DataError

OBJECTS = np.array([[0, 1, 1, 3], [2, 2, 1, 3]], np.uint8)
CLASSES = (15, 7, 15)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    empty = np.zeros((3, 2), np.uint8)
    return write_sbd(tmp_path, {"b": (OBJECTS, CLASSES), "a": (empty, ())})


def write_struct(root: Path, **fields: object) -> None:
    savemat(root / "inst/b.mat", {"GTinst": fields})


def test_reads_objects_classes_and_the_image(root: Path) -> None:
    dataset = SbdLayout(root, "val")
    assert dataset.ids == ("b", "a")
    sample = dataset.load("b")
    assert sample.object_map.tolist() == OBJECTS.tolist()
    assert sample.object_map.dtype == np.uint8
    assert sample.class_of_object.tolist() == [15, 7, 15]
    assert sample.image.shape == (2, 4, 3)
    assert len(dataset.load("a")) == 0
    assert dataset.labelled_classes == frozenset(range(1, 21))


def test_one_row_of_pixels_and_one_object_stay_arrays(root: Path) -> None:
    write_struct(root, Segmentation=np.array([[0, 1, 1]], np.uint8), Categories=np.uint8(3))
    maps = SbdLayout(root, "val").load_maps("b")
    assert maps.object_map.tolist() == [[0, 1, 1]]
    assert maps.class_of_object.tolist() == [3]


def test_an_object_without_pixels_leaves_no_gap(root: Path) -> None:
    objects = np.array([[0, 1], [3, 3]], np.uint8)
    write_struct(root, Segmentation=objects, Categories=np.array([[1], [2], [3]], np.uint8))
    maps = SbdLayout(root, "val").load_maps("b")
    assert maps.object_map.tolist() == [[0, 1], [2, 2]]
    assert maps.class_of_object.tolist() == [1, 3]


def test_sizes_must_agree(root: Path) -> None:
    write_image(root / "img/b.jpg", 5, 2)
    with pytest.raises(DataError, match=r"b\.jpg is 5x2 pixels, but its mask is 4x2"):
        SbdLayout(root, "val").load("b")


@pytest.mark.parametrize("file", ["img/a.jpg", "inst/a.mat"])
def test_missing_files_are_found_at_once(root: Path, file: str) -> None:
    (root / file).unlink()
    with pytest.raises(DataError, match=rf"{file} does not exist \(1 of the 2 images"):
        SbdLayout(root, "val")


def test_unknown_split_names_those_there_are(root: Path) -> None:
    with pytest.raises(DataError, match=r"test\.txt does not exist; splits there are: val$"):
        SbdLayout(root, "test")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"Segmentation": OBJECTS}, "GTinst has no Categories"),
        ({"Categories": [1]}, "GTinst has no Segmentation"),
        ({"Segmentation": np.zeros((2, 2, 2)), "Categories": [1]}, r"must be \[H, W\]"),
        ({"Segmentation": OBJECTS, "Categories": "text"}, "Categories must hold whole numbers"),
        ({"Segmentation": OBJECTS / 2, "Categories": [1]}, "Segmentation must hold whole numbers"),
        (
            {"Segmentation": OBJECTS, "Categories": [1, 2, 21]},
            "holds class 21; allowed are 1 to 20",
        ),
        ({"Segmentation": OBJECTS, "Categories": [1, 2]}, "holds object 3, but gives classes to 2"),
        ({"Segmentation": OBJECTS, "Categories": [1] * 255}, "has 255 objects; at most 254"),
    ],
)
def test_wrong_values_are_refused(root: Path, fields: dict[str, object], message: str) -> None:
    write_struct(root, **fields)
    with pytest.raises(DataError, match=rf"inst/b\.mat.*{message}"):
        SbdLayout(root, "val").load("b")


def test_files_that_are_no_such_struct_are_refused(root: Path) -> None:
    dataset = SbdLayout(root, "val")
    path = root / "inst/b.mat"
    for content in ({"GTcls": {"Segmentation": OBJECTS}}, {"GTinst": np.zeros(3)}):
        savemat(path, content)
        with pytest.raises(DataError, match=r"b\.mat holds no struct GTinst"):
            dataset.load("b")


def test_damaged_files_never_end_in_an_error_of_another_kind(root: Path) -> None:
    dataset = SbdLayout(root, "val")
    path = root / "inst/b.mat"
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"b\.mat"):
            dataset.load("b")
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(100):
        damaged = np.frombuffer(whole, np.uint8).copy()
        damaged[rng.integers(128, len(whole), size=3)] = rng.integers(256, size=3)
        path.write_bytes(damaged.tobytes())
        try:
            dataset.load("b")
        except DataError:
            refused += 1
    assert refused > 50

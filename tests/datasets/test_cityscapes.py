"""Files as cityscapesscripts 2.3 writes them: its json2instanceImg.py and labels.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataset_files import write_image
from numpy.typing import NDArray
from PIL import Image

from streamseg.datasets import VOID, CityscapesFolder, open_dataset
from streamseg.errors import DataError

NAME = "aachen_000000_000019"


def box(label: str, x0: int, y0: int, x1: int, y1: int, **more: Any) -> dict[str, Any]:
    """A polygon over the pixels x0 to x1 and y0 to y1, all included."""
    return {"label": label, "polygon": [[x0, y0], [x1, y0], [x1, y1], [x0, y1]], **more}


OBJECTS = [
    box("sky", 0, 0, 19, 4),
    box("road", 0, 5, 19, 9),
    box("car", 1, 2, 6, 7),
    box("license plate", 2, 6, 3, 6),
    box("cargroup", 8, 2, 10, 4),
    box("trailer", 12, 2, 13, 3),
    box("static", 15, 2, 15, 2),
    box("car", 4, 5, 9, 8),  # in front of the other
    box("bicycle", 12, 5, 14, 8),
    box("person", 16, 5, 18, 9, deleted=1),
    box("pole", 13, 0, 13, 9),  # parts the bicycle
]
EXPECTED = np.zeros((10, 20), np.uint8)
EXPECTED[2:8, 1:7] = 1
EXPECTED[2:5, 8:11] = VOID
EXPECTED[2:4, 12] = VOID
EXPECTED[2, 15] = VOID
EXPECTED[5:9, 4:10] = 2
EXPECTED[5:9, 12] = EXPECTED[5:9, 14] = 3


def instance_ids() -> NDArray[np.uint16]:
    """The same as a map of ids."""
    ids = np.full((10, 20), 7, np.uint16)
    ids[:5] = 23
    ids[EXPECTED == 1] = 26000
    ids[2:5, 8:11] = 26
    ids[2:4, 12] = 30000
    ids[2, 15] = 4
    ids[EXPECTED == 2] = 26001
    ids[EXPECTED == 3] = 33000
    ids[:, 13] = 17
    return ids


def write_cityscapes(root: Path, objects: list[dict[str, Any]], city: str = "aachen") -> Path:
    """One image of 20x10 pixels with polygons; gives the file of the polygons."""
    write_image(root / f"leftImg8bit/train/{city}/{NAME}_leftImg8bit.png", 20, 10)
    file = root / f"gtFine/train/{city}/{NAME}_gtFine_polygons.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"imgHeight": 10, "imgWidth": 20, "objects": objects}))
    return file


@pytest.mark.parametrize("has_ids", [True, False])
def test_polygons_and_instance_ids_mean_the_same(tmp_path: Path, has_ids: bool) -> None:
    file = write_cityscapes(tmp_path, OBJECTS)
    if has_ids:
        Image.fromarray(instance_ids()).save(file.parent / f"{NAME}_gtFine_instanceIds.png")
        file.unlink()
    dataset = open_dataset(tmp_path, "train")
    assert isinstance(dataset, CityscapesFolder)
    assert dataset.ids == (NAME,)
    assert dataset.class_names == (
        *("person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle"),
    )
    assert dataset.labelled_classes == set(range(1, 9))
    sample = dataset.load(0)
    assert sample.class_of_object.tolist() == [3, 3, 8]
    assert np.array_equal(sample.object_map, EXPECTED)
    assert sample.image.shape == (10, 20, 3)


def test_what_no_polygon_covers_is_void(tmp_path: Path) -> None:
    write_cityscapes(tmp_path, [box("rider", 3, 3, 4, 4)])
    maps = CityscapesFolder(tmp_path, "train").load_maps(0)
    assert maps.class_of_object.tolist() == [2]
    assert np.count_nonzero(maps.object_map == 1) == 4
    assert np.count_nonzero(maps.object_map == VOID) == 200 - 4


def test_of_too_many_objects_the_smallest_are_void(tmp_path: Path) -> None:
    file = write_cityscapes(tmp_path, [])
    ids = np.full((10, 60), 7, np.uint16)
    ids.ravel()[:300] = 24000 + np.arange(300)
    ids[9, :10] = 24000
    Image.fromarray(ids).save(file.parent / f"{NAME}_gtFine_instanceIds.png")
    maps = CityscapesFolder(tmp_path, "train").load_maps(0)
    assert len(maps) == VOID - 1
    assert maps.object_map[9, 0] == 1
    assert np.count_nonzero(maps.object_map == VOID) == 300 - (VOID - 1)


def test_missing_files_are_found_at_once(tmp_path: Path) -> None:
    file = write_cityscapes(tmp_path, [])
    with pytest.raises(DataError, match=r"leftImg8bit/val does not exist; splits .* are: train$"):
        CityscapesFolder(tmp_path, "val")
    file.unlink()
    with pytest.raises(DataError, match=r"instanceIds\.png does not exist, nor does .*\.json"):
        CityscapesFolder(tmp_path, "train")
    (tmp_path / f"leftImg8bit/train/aachen/{NAME}_leftImg8bit.png").unlink()
    with pytest.raises(DataError, match="leftImg8bit/train lists no image"):
        CityscapesFolder(tmp_path, "train")


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        ([{"label": "forklift", "polygon": []}], r"objects\[0\]: 'forklift' is not a label of"),
        ([box("carsgroup", 0, 0, 1, 1)], "'carsgroup' is not a label"),
        ([{"label": "car", "polygon": [[0, 0]]}], r"objects\[0\]: a polygon needs 2 points"),
        ([{"label": "car", "polygon": [[0, 0, 1]]}], "polygon must be a list of pairs"),
        ([{"label": "car", "polygon": [[0, 0], [1e9, 0]]}], "polygon reach far out of the image"),
        ([{"label": "car", "polygon": [[0, 0], ["x", 0]]}], "polygon must be a list of pairs"),
        ([{"polygon": []}], "label must be str, got None"),
        ([7], r"objects\[0\] must be an object"),
    ],
)
def test_broken_polygons_are_named(tmp_path: Path, objects: list[Any], message: str) -> None:
    write_cityscapes(tmp_path, objects)
    with pytest.raises(DataError, match=rf"polygons\.json.*{message}"):
        CityscapesFolder(tmp_path, "train").load(0)


def test_broken_maps_of_ids_are_named(tmp_path: Path) -> None:
    file = write_cityscapes(tmp_path, []).parent / f"{NAME}_gtFine_instanceIds.png"
    dataset_of_colours = Image.new("RGB", (20, 10))
    for image, message in (
        (dataset_of_colours, "mode RGB; it must be a grey image"),
        (Image.fromarray(np.full((10, 20), 40_000, np.uint16)), "not an id of Cityscapes: 40000"),
    ):
        image.save(file)
        with pytest.raises(DataError, match=rf"instanceIds\.png.*{message}"):
            CityscapesFolder(tmp_path, "train").load_maps(0)

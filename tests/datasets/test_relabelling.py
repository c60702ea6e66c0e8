from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dataset_files import coco_document, rectangle, write_coco, write_voc

from streamseg.datasets import VOID, CocoFile, VocLayout, with_classes, with_mapping
from streamseg.errors import ConfigError, DataError

CATEGORIES = ("person", "van", "pedestrian", "dog", "dontcare", "car")


# pycocotools 2.0.11 itself does not follow numpy 2 when it decodes
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture
def coco(tmp_path: Path) -> CocoFile:
    """One image of 12 x 2 pixels, a square of 2 x 2 for each category in their order."""
    squares = [
        {"category": name, "segmentation": rectangle(2 * i, 0, 2 * i + 2, 2)}
        for i, name in enumerate(CATEGORIES)
    ]
    document = coco_document(squares, categories=CATEGORIES, height=2, width=12)
    return CocoFile(write_coco(tmp_path / "a.json", tmp_path, document))


def test_classes_are_renamed_joined_made_void_or_background(coco: CocoFile) -> None:
    mapping = {"Pedestrian": "person", "van": "car", "dontcare": "void", "dog": "background"}
    data = with_mapping(coco, mapping)
    assert data.class_names == ("person", "car")
    assert data.labelled_classes == {1, 2}
    maps = data.load_maps(0)
    assert maps.object_map[0].tolist() == [1, 1, 2, 2, 3, 3, 0, 0, VOID, VOID, 4, 4]
    assert maps.class_of_object.tolist() == [1, 2, 1, 2]
    assert data.load(0).image.shape == (2, 12, 3)


def test_a_table_that_changes_nothing_gives_the_data_set_itself(coco: CocoFile) -> None:
    assert with_mapping(coco, {"zebra": "void"}) is coco
    assert with_classes(coco, CATEGORIES) is coco


def test_a_table_that_leaves_no_class_is_refused(coco: CocoFile) -> None:
    with pytest.raises(DataError, match=r"of the classes person, van, .* none is left"):
        with_mapping(coco, dict.fromkeys(CATEGORIES, "background"))


def test_classes_of_a_model_are_found_by_name(coco: CocoFile) -> None:
    names = ("Car", "truck", "dont care", "dog", "pedestrian", "van", "PERSON")
    data = with_classes(coco, names)
    assert data.class_names == names
    assert data.labelled_classes == {1, 3, 4, 5, 6, 7}
    assert data.load_maps(0).class_of_object.tolist() == [7, 6, 5, 4, 3, 1]
    with pytest.raises(ConfigError, match=r"class_names lacks van, dontcare of the data; .*\[clas"):
        with_classes(coco, ("person", "pedestrian", "dog", "car"))


def test_a_class_is_labelled_if_all_that_become_it_are(tmp_path: Path) -> None:
    objects = np.array([[1, 2, 3, 0]], np.uint8)
    classes = np.array([[7, 6, 12, 0]], np.uint8)  # car, bus, dog
    root = write_voc(tmp_path, {"x": (objects, classes)})
    (root / "classes.txt").write_text("car\nperson\n")
    data = VocLayout(root, "val")
    mapped = with_mapping(data, {"bus": "car"})
    assert [mapped.class_names[k - 1] for k in mapped.labelled_classes] == ["person"]
    # the model lacks what is not labelled: such objects are void
    model = with_classes(data, ("person", "car"))
    assert model.labelled_classes == {1, 2}
    assert model.load_maps("x").object_map.tolist() == [[1, VOID, VOID, 0]]
    assert model.load_maps("x").class_of_object.tolist() == [2]

from __future__ import annotations

from collections.abc import Sequence

import pytest

from streamseg.classes import COCO_CLASSES, VOC_CLASSES, coco_index, plain_name, select_classes
from streamseg.errors import ConfigError


def test_the_label_sets_hold_different_names() -> None:
    assert len(set(map(plain_name, VOC_CLASSES))) == 20
    assert len(set(map(plain_name, COCO_CLASSES))) == 80


def test_every_class_of_voc_is_one_of_coco() -> None:
    names, rows = select_classes(COCO_CLASSES, "voc")
    assert names == VOC_CLASSES
    spelled_otherwise = {"aeroplane": "airplane", "motorbike": "motorcycle", "sofa": "couch"}
    spelled_otherwise |= {"tvmonitor": "tv", "diningtable": "dining table"}
    spelled_otherwise |= {"pottedplant": "potted plant"}
    for name, row in zip(names, rows, strict=True):
        assert COCO_CLASSES[row] == spelled_otherwise.get(name, name)
        assert coco_index(name) == row


def test_all_classes_come_in_the_models_order_by_default() -> None:
    assert select_classes(("nut", "bolt"), None) == (("nut", "bolt"), [0, 1])
    assert select_classes(COCO_CLASSES, "coco") == (COCO_CLASSES, list(range(80)))


def test_names_are_kept_as_they_were_asked_for_in_their_order() -> None:
    asked = ["Traffic-Light", "motorbike", "person"]
    assert select_classes(COCO_CLASSES, asked) == (tuple(asked), [9, 3, 0])


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("cityscapes", "classes must be voc, coco or a list of names, got 'cityscapes'"),
        (["traffic ligt"], r"does not know the class 'traffic ligt' \(did you mean traffic light"),
        (["zzz"], r"does not know the class 'zzz'$"),
        (["car", "Car"], "must be different names"),
        ([], "at least one"),
    ],
)
def test_what_the_model_does_not_know_is_refused(wanted: str | Sequence[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        select_classes(COCO_CLASSES, wanted)

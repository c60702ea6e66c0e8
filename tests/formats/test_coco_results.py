from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from scene_results import HEIGHT, WIDTH, make_result

from streamseg.classes import COCO_CLASSES
from streamseg.errors import SinkError
from streamseg.formats.coco import CATEGORIES, CocoWriter
from streamseg.video.source import open_source

SCENES = (("car-1", "person-2"), ("person-2",), (), ("aeroplane-3", "tvmonitor-4", "pottedplant-5"))


def write(path: Path) -> Path:
    with CocoWriter(path) as writer:
        for index, names in enumerate(SCENES):
            writer.write(make_result(index, names))
    return path


def ground_truth() -> COCO:
    """What was written, as annotations, with the names as COCO spells them."""
    spelling = {"aeroplane": "airplane", "tvmonitor": "tv", "pottedplant": "potted plant"}
    truth = COCO()
    truth.dataset = {
        "images": [{"id": i, "height": HEIGHT, "width": WIDTH} for i in range(len(SCENES))],
        "categories": [{"id": id_, "name": name} for name, id_ in CATEGORIES.items()],
        "annotations": [
            {
                "id": 100 * index + instance.label,
                "image_id": index,
                "category_id": CATEGORIES[spelling.get(instance.class_name, instance.class_name)],
                "segmentation": instance.rle(),
                "bbox": [*instance.box[:2], 10, 10],
                "area": instance.area_px,
                "iscrowd": 0,
            }
            for index, names in enumerate(SCENES)
            for instance in make_result(index, names).instances
        ],
    }
    truth.createIndex()
    return truth


@pytest.mark.parametrize("names", [COCO_CLASSES, ()])
def test_no_file_names_the_categories_of_coco_itself(names: Sequence[str], tmp_path: Path) -> None:
    with CocoWriter(tmp_path / "results.json", names) as writer:
        writer.write(make_result(0, ["car-1"]))
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]


def test_pycocotools_finds_every_object_with_its_class(tmp_path: Path) -> None:
    truth = ground_truth()
    results = truth.loadRes(str(write(tmp_path / "results.json")))
    assert [annotation["area"] for annotation in results.anns.values()] == [100] * 6
    judge = COCOeval(truth, results, "segm")
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    assert judge.stats[0] == pytest.approx(1)


@pytest.mark.parametrize("beside", ["", "._000000000139.jpg", "broken.jpg", "7.jpg", "cover.jpg"])
def test_images_named_by_numbers_have_the_ids_of_their_annotation_file(
    tmp_path: Path, beside: str
) -> None:
    images = tmp_path / "val2017"
    images.mkdir()
    for number in (139, 285, 632):
        Image.new("RGB", (WIDTH, HEIGHT)).save(images / f"{number:012d}.jpg")
    if beside == "cover.jpg":
        Image.new("RGB", (WIDTH, HEIGHT)).save(images / beside)
    elif beside:
        (images / beside).write_bytes(b"no image")
    truth = COCO()
    truth.dataset = {
        "images": [{"id": number} for number in (632, 285, 139)],
        "categories": [{"id": CATEGORIES["dog"], "name": "dog"}],
        "annotations": [],
    }
    truth.createIndex()
    with open_source(images) as source, CocoWriter(tmp_path / "results.json") as writer:
        for frame in source:
            writer.write(replace(make_result(frame.index, ["dog-1"]), frame=frame))
    results = truth.loadRes(str(tmp_path / "results.json"))
    assert sorted(entry["image_id"] for entry in results.anns.values()) == [139, 285, 632]


def test_category_ids_are_those_of_coco() -> None:
    # both ends, and both sides of each gap
    expected = {
        "person": 1, "fire hydrant": 11, "stop sign": 13, "giraffe": 25, "backpack": 27,
        "umbrella": 28, "handbag": 31, "bottle": 44, "wine glass": 46, "potted plant": 64,
        "bed": 65, "dining table": 67, "toilet": 70, "tv": 72, "refrigerator": 82, "book": 84,
        "toothbrush": 90,
    }  # fmt: skip
    assert {name: CATEGORIES[name] for name in expected} == expected
    assert len(CATEGORIES) == 80


def test_classes_that_coco_lacks_are_left_out_and_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING), CocoWriter(tmp_path / "results.json") as writer:
        for index in range(3):
            writer.write(make_result(index, ["nut-1", "dog-2", "bolt-3"][: 3 - index // 2]))
        assert not caplog.messages
    assert [
        entry["category_id"] for entry in json.loads((tmp_path / "results.json").read_text())
    ] == [18] * 3
    (said,) = caplog.messages
    assert said == (
        "COCO: masks left out: 3 of class nut, which the format lacks; "
        "2 of class bolt, which the format lacks"
    )


def test_an_exception_leaves_a_complete_file(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    with pytest.raises(KeyboardInterrupt), CocoWriter(path) as writer:
        writer.write(make_result(0, ["car-1"]))
        raise KeyboardInterrupt
    assert len(json.loads(path.read_text())) == 1
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_stays_as_it_was_until_the_new_one_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text("old")
    writer = CocoWriter(path)
    writer.write(make_result(0, ["car-1"]))
    assert path.read_text() == "old"
    writer.close()
    writer.close()
    assert json.loads(path.read_text())[0]["image_id"] == 0


def test_without_instances_the_list_is_empty(tmp_path: Path) -> None:
    with CocoWriter(tmp_path / "results.json") as writer:
        writer.write(make_result(0, []))
    assert json.loads((tmp_path / "results.json").read_text()) == []


def test_unwritable_paths(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match=r"there is no folder .*missing; create it"):
        CocoWriter(tmp_path / "missing" / "results.json")
    with pytest.raises(SinkError, match="it is a folder"):
        CocoWriter(tmp_path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "results.json"
    path.write_text("old")
    monkeypatch.setattr(secrets, "token_hex", lambda size: "0")
    (tmp_path / "results.0.partial.json").symlink_to("/dev/full")
    with pytest.raises(SinkError, match="No space left"), CocoWriter(path) as writer:
        writer.write(make_result(0, ["car-1"]))
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]

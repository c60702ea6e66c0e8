from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataset_files import coco_document, rectangle, write_coco, write_image
from pycocotools import mask as coco_mask

from streamseg.datasets import MOST_OBJECTS, VOID, CocoFile, ObjectMaps
from streamseg.errors import DataError

# pycocotools 2.0.11 itself does not follow numpy 2 when it decodes
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

TABLE, PERSON = "dining table", "person"


def maps_of(tmp_path: Path, annotations: Sequence[dict[str, Any]], **document: Any) -> ObjectMaps:
    file = write_coco(tmp_path / "a.json", tmp_path, coco_document(annotations, **document))
    return CocoFile(file).load_maps(0)


def thing(category: str, box: tuple[int, int, int, int], **more: Any) -> dict[str, Any]:
    return {"category": category, "segmentation": rectangle(*box), **more}


def test_polygons_become_objects_in_order_of_their_size(tmp_path: Path) -> None:
    maps = maps_of(tmp_path, [thing("car", (5, 0, 7, 2)), thing(PERSON, (0, 1, 4, 6))])
    expected = np.zeros((6, 8), np.uint8)
    expected[1:6, 0:4] = 1
    expected[0:2, 5:7] = 2
    assert maps.object_map.tolist() == expected.tolist()
    assert maps.object_map.dtype == np.uint8
    assert maps.class_of_object.tolist() == [1, 5]
    assert maps.class_of_object.dtype == np.int64


def test_several_polygons_are_one_object_and_degenerate_ones_enclose_nothing(
    tmp_path: Path,
) -> None:
    parts = [*rectangle(0, 0, 2, 2), *rectangle(4, 0, 6, 2), [1, 1, 3, 3], []]
    maps = maps_of(tmp_path, [{"category": "car", "segmentation": parts}])
    assert maps.object_map[:2].tolist() == [[1, 1, 0, 0, 1, 1, 0, 0]] * 2
    assert not maps.object_map[2:].any()
    empty = maps_of(tmp_path, [{"category": "car", "segmentation": [[1, 1, 3, 3]]}])
    assert len(empty) == 0
    assert not empty.object_map.any()


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_run_lengths_mean_what_the_coco_tools_mean(
    tmp_path: Path, seed: int, compressed: bool
) -> None:
    rng = np.random.default_rng(seed)
    height, width = 40, 61
    # long runs and short ones, so that compressed counts take one to three letters
    mask = np.repeat(rng.random((height, 3)) < 0.8, [1, 40, 20], axis=1).astype(np.uint8)
    mask[rng.integers(height, size=30), rng.integers(width, size=30)] ^= 1
    encoded = coco_mask.encode(np.asfortranarray(mask))
    if compressed:
        counts: str | list[int] = encoded["counts"].decode()
    else:
        flat = mask.ravel(order="F")
        edges = np.flatnonzero(np.diff(flat, prepend=0))
        counts = np.diff(edges, prepend=0, append=flat.size).tolist()
    segmentation = {"size": [height, width], "counts": counts}
    maps = maps_of(
        tmp_path,
        [{"category": "car", "segmentation": segmentation}],
        height=height,
        width=width,
    )
    assert np.array_equal(maps.object_map, mask)


def test_the_smaller_of_two_overlapping_objects_lies_on_top(tmp_path: Path) -> None:
    small, large = thing(PERSON, (2, 2, 4, 4)), thing(TABLE, (0, 0, 8, 6))
    for order in ([small, large], [large, small]):
        maps = maps_of(tmp_path, order)
        assert maps.class_of_object.tolist() == [2, 1]
        assert np.count_nonzero(maps.object_map == 2) == 4
        assert np.count_nonzero(maps.object_map == 1) == 44


def test_an_object_hidden_by_smaller_ones_leaves_no_gap(tmp_path: Path) -> None:
    halves = [thing(PERSON, (0, 0, 2, 2)), thing("car", (2, 0, 4, 2))]
    maps = maps_of(tmp_path, [*halves, thing(TABLE, (0, 0, 4, 2))])
    assert np.unique(maps.object_map).tolist() == [0, 1, 2]
    assert sorted(maps.class_of_object.tolist()) == [1, 5]


def test_crowds_are_void_under_all_objects(tmp_path: Path) -> None:
    crowd = {"size": [6, 8], "counts": [0, 24, 24]}  # the left half
    maps = maps_of(
        tmp_path,
        [
            thing(TABLE, (0, 0, 8, 1)),
            {"category": PERSON, "segmentation": crowd, "iscrowd": 1},
            thing(PERSON, (1, 2, 3, 4)),
        ],
    )
    assert maps.class_of_object.tolist() == [2, 1]
    assert (maps.object_map[0] == 1).all()
    assert (maps.object_map[2:4, 1:3] == 2).all()
    assert np.count_nonzero(maps.object_map == VOID) == 24 - 4 - 4
    assert not maps.object_map[1:, 4:].any()


def test_of_too_many_objects_the_smallest_are_void(tmp_path: Path) -> None:
    count = MOST_OBJECTS + 3
    squares = [thing("car", (2 * i, 0, 2 * i + 2, 2)) for i in range(count - 3)]
    dots = [thing("car", (2 * i, 2, 2 * i + 1, 3)) for i in range(3)]
    maps = maps_of(tmp_path, [*dots, *squares], height=4, width=2 * count)
    assert len(maps) == MOST_OBJECTS
    assert maps.object_map[2, :6].tolist() == [VOID, 0] * 3
    assert len(np.unique(maps.object_map[0, : 2 * MOST_OBJECTS])) == MOST_OBJECTS


def test_every_category_is_a_class_that_is_labelled(tmp_path: Path) -> None:
    categories = ("forklift", "Dining Table", "person", "dining_table")
    annotations = [thing("dining_table", (0, 0, 2, 2)), thing(PERSON, (0, 0, 8, 6))]
    document = coco_document(annotations, categories=categories)
    data = CocoFile(write_coco(tmp_path / "a.json", tmp_path, document))
    assert data.class_names == ("forklift", "Dining Table", "person")  # one table, two spellings
    assert data.labelled_classes == {1, 2, 3}
    assert data.load_maps(0).class_of_object.tolist() == [3, 2]


def test_images_come_in_the_order_of_the_file_with_their_annotations(tmp_path: Path) -> None:
    annotations = [thing(PERSON, (0, 0, 2, 2), image_id=101)]
    document = coco_document(annotations, file_names=("b.png", "sub/a.jpg"))
    dataset = CocoFile(
        write_coco(tmp_path / "a.json", tmp_path / "images", document), tmp_path / "images"
    )
    assert dataset.ids == ("b", "sub/a")
    assert [len(dataset.load(i)) for i in (0, 1)] == [0, 1]
    assert dataset.load("sub/a").image.shape == (6, 8, 3)


def test_sizes_must_agree(tmp_path: Path) -> None:
    dataset = CocoFile(write_coco(tmp_path / "a.json", tmp_path, coco_document([])))
    write_image(tmp_path / "one.jpg", 9, 6)
    with pytest.raises(DataError, match=r"one\.jpg is 9x6 pixels, but its mask is 8x6"):
        dataset.load("one")


def test_missing_images_are_found_at_once(tmp_path: Path) -> None:
    document = coco_document([], file_names=("a.jpg", "b.jpg"))
    file = write_coco(tmp_path / "x.json", tmp_path, document)
    (tmp_path / "b.jpg").unlink()
    with pytest.raises(DataError, match=r"b\.jpg does not exist \(1 of the 2 images"):
        CocoFile(file)
    (tmp_path / "a.jpg").unlink()
    with pytest.raises(DataError, match=r"x\.json lists a\.jpg, which is in none of .*/images,"):
        CocoFile(file)


RUNS = {"size": [6, 8]}


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        (None, "a segmentation is a list or an object, got NoneType"),
        ("text", "got str"),
        ([[0, 0, 4, 0, 4, 4, 1]], "a list of x, y"),
        ([[[0, 0], [4, 0], [4, 4]]], "a list of x, y"),
        ([[0, "left", 4, 0, 4, 4]], "a list of numbers"),
        ([[0, 10**400, 4, 0, 4, 4]], "a list of numbers"),
        ([0, 0, 4, 0, 4, 4], "a list of x, y"),
        ([[0, 0, 4, 0, 4, 1e6]], "far out of the image of 8x6"),
        ([[0, 0, 4, 0, 4, float("nan")]], "far out of the image"),
        ({"counts": [0, 48]}, r"size must be \[6, 8\], got None"),
        ({"size": [8, 6], "counts": [0, 48]}, r"size must be \[6, 8\], got \[8, 6\]"),
        ({**RUNS}, "a string or a list of whole numbers"),
        ({**RUNS, "counts": []}, "a string or a list of whole numbers"),
        ({**RUNS, "counts": ""}, "a string or a list of whole numbers"),
        ({**RUNS, "counts": [0.5, 47.5]}, "a string or a list of whole numbers"),
        ({**RUNS, "counts": [[0], [1, 2]]}, "a string or a list of whole numbers"),
        ({**RUNS, "counts": "é"}, "a string or a list of whole numbers"),
        ({**RUNS, "counts": "o"}, "a string or a list of whole numbers"),
        ({**RUNS, "counts": "o" * 99}, "a string or a list of whole numbers"),
        ({**RUNS, "counts": [0, 47]}, "sum up to 48"),
        ({**RUNS, "counts": [0, 49]}, "sum up to 48"),
        ({**RUNS, "counts": [-1, 49]}, "sum up to 48"),
        ({**RUNS, "counts": [2**62, 2**62, 2**62, 2**62, 48]}, "sum up to 48"),
        ({**RUNS, "counts": "1"}, "sum up to 48"),
    ],
)
def test_broken_masks_are_refused(tmp_path: Path, segmentation: object, message: str) -> None:
    annotations = [thing(PERSON, (0, 0, 2, 2)), {"category": "car", "segmentation": segmentation}]
    with pytest.raises(DataError, match=rf"a\.json: annotations\[1\].*{message}"):
        maps_of(tmp_path, annotations)


def test_an_image_in_the_list_twice(tmp_path: Path) -> None:
    for names in (("a.jpg", "a.jpg"), ("a.jpg", "a.png")):
        file = write_coco(tmp_path / "x.json", tmp_path, coco_document([], file_names=names))
        with pytest.raises(DataError, match=r"x\.json lists a twice"):
            CocoFile(file)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("images",), None, "holds no list 'images'"),
        (("annotations",), {}, "holds no list 'annotations'"),
        (("categories",), [3], r"categories\[0\] must be an object, got 3"),
        (("categories",), [], "must have 1 to 1000 classes, got 0"),
        (
            ("categories",),
            [{"id": i, "name": f"class {i}"} for i in range(1001)],
            "must have 1 to 1000 classes, got 1001",
        ),
        (("categories", 0, "name"), None, r"categories\[0\]: name must be str, got None"),
        (("categories", 1, "id"), 1, r"categories\[1\]: its id 1 is that of another category too"),
        (("images",), [], "lists no image"),
        (("images", 0, "id"), "x", r"images\[0\]: id must be int, got 'x'"),
        (("images", 1, "id"), 100, r"images\[1\]: its id is that of another image"),
        (("images", 0, "file_name"), "", r"images\[0\]: file_name must name a file, got ''"),
        (("images", 0, "width"), 0, r"images\[0\]: height and width must be 1 to 65535"),
        (("images", 0, "height"), 10**9, r"images\[0\]: height and width must be 1 to 65535"),
        (("annotations", 0, "image_id"), 7, r"annotations\[0\]: image_id is that of no image"),
        (("annotations", 0, "category_id"), 9, r"annotations\[0\]: category_id is that of no cat"),
    ],
)
def test_broken_entries_are_named(
    tmp_path: Path, place: tuple[Any, ...], value: object, message: str
) -> None:
    annotations = [] if place == ("images",) else [thing(PERSON, (0, 0, 2, 2))]
    document = coco_document(annotations, file_names=("a.jpg", "b.jpg"))
    file = write_coco(tmp_path / "x.json", tmp_path, document)
    parent: Any = document
    for step in place[:-1]:
        parent = parent[step]
    parent[place[-1]] = value
    file.write_text(json.dumps(document))
    with pytest.raises(DataError, match=rf"x\.json.*{message}"):
        CocoFile(file)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[]", "is not a COCO file"),
        (b"\xff", "cannot be read"),
    ],
)
def test_files_that_are_no_coco_json(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "x.json"
    file.write_bytes(content)
    with pytest.raises(DataError, match=rf"x\.json {message}"):
        CocoFile(file)


def test_what_supervision_writes_is_read(tmp_path: Path) -> None:
    supervision = pytest.importorskip("supervision")
    y, x = np.mgrid[:48, :64]
    masks = np.stack([(x - 20) ** 2 + (y - 24) ** 2 <= 150, (x > 40) & (x < 60) & (y > 3)])
    detections = supervision.Detections(
        xyxy=supervision.mask_to_xyxy(masks), mask=masks, class_id=np.array([1, 0])
    )
    write_image(tmp_path / "in/one.png", 64, 48)
    path = str(tmp_path / "in/one.png")
    supervision.DetectionDataset(["pallet", "forklift"], [path], {path: detections}).as_coco(
        str(tmp_path / "out/images"), str(tmp_path / "out/labels.json")
    )
    dataset = CocoFile(tmp_path / "out/labels.json")
    assert dataset.class_names == ("pallet", "forklift")
    sample = dataset.load("one")
    assert sorted(sample.class_of_object.tolist()) == [1, 2]
    for number, class_id in enumerate(sample.class_of_object, start=1):
        found, mask = sample.object_map == number, masks[2 - class_id]
        # supervision goes along the outermost pixels, half of which COCO's tools leave out
        assert (found & mask).sum() / (found | mask).sum() > 0.85

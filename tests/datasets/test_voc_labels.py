"""Own classes in the layout of the VOC devkit, as Datumaro 1.13 (which CVAT uses) writes them.

https://docs.cvat.ai/docs/dataset_management/formats/format-smask/
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dataset_files import write_image, write_mask, write_voc
from numpy.typing import NDArray
from PIL import Image

from streamseg.classes import VOC_CLASSES, voc_colours
from streamseg.datasets import VOID, VocLayout, open_dataset
from streamseg.errors import DataError

OBJECTS = np.array([[1, 1, 2, 2, 0, 3], [1, 1, 2, 2, 0, 3]], np.uint8)
CLASSES = np.array([[1, 1, 2, 2, 0, 1], [1, 1, 2, 2, 0, 1]], np.uint8)
CVAT = """\
# label:color_rgb:parts:actions
background:0,0,0::
fork lift:51,221,255::
pallet:250,50,83::
"""
CVAT_COLOURS = [[0, 0, 0], [51, 221, 255], [250, 50, 83]]


def write_cvat(
    root: Path,
    labelmap: str = CVAT,
    colours: object = CVAT_COLOURS,
    classes: NDArray[np.uint8] = CLASSES,
) -> Path:
    """One image, its objects in VOC's colours and its classes in the given ones."""
    write_voc(root, {"a": (OBJECTS, CLASSES)}, split="default")
    (root / "labelmap.txt").write_text(labelmap)
    Image.fromarray(voc_colours()[OBJECTS]).save(root / "SegmentationObject/a.png")
    palette = np.array(colours, np.uint8)
    Image.fromarray(palette[classes]).save(root / "SegmentationClass/a.png")
    return root


def test_the_colours_are_those_of_the_voc_devkit() -> None:
    # https://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/devkit_doc.html#sec:voclabelcolormap
    colours = voc_colours().tolist()
    assert colours[1] == [128, 0, 0]
    assert colours[15] == [192, 128, 128]
    assert colours[20] == [0, 64, 128]
    assert colours[255] == [224, 224, 192]


@pytest.mark.parametrize(
    ("labelmap", "colours"),
    [
        (CVAT, CVAT_COLOURS),
        (CVAT.replace("0,0,0", "").replace("51,221,255", "").replace("250,50,83", ""), None),
        ("background:0,128,0::\nfork lift:9,9,9::\npallet:8,8,8::\nignored:7,7,7::", None),
    ],
)
def test_a_labelmap_says_which_colour_is_which_class(
    tmp_path: Path, labelmap: str, colours: object
) -> None:
    if colours is None:
        own = [[0, 128, 0], [9, 9, 9], [8, 8, 8]]
        colours = own if "9,9,9" in labelmap else voc_colours()[:3]
    dataset = open_dataset(write_cvat(tmp_path, labelmap, colours), "default")
    assert isinstance(dataset, VocLayout)
    assert dataset.class_names == ("fork lift", "pallet")
    assert dataset.labelled_classes == {1, 2}
    sample = dataset.load(0)
    assert sample.class_of_object[sample.object_map[0, [0, 2, 5]] - 1].tolist() == [1, 2, 1]
    assert [len(set(sample.object_map[k == OBJECTS])) for k in range(4)] == [1, 1, 1, 1]
    assert not sample.object_map[OBJECTS == 0].any()


def test_masks_of_indices_count_the_lines_of_the_labelmap(tmp_path: Path) -> None:
    root = write_cvat(tmp_path)
    Image.fromarray(OBJECTS).save(root / "SegmentationObject/a.png")
    Image.fromarray(CLASSES).save(root / "SegmentationClass/a.png")
    maps = VocLayout(root, "default").load_maps(0)
    assert maps.class_of_object.tolist() == [1, 2, 1]
    assert maps.object_map.tolist() == OBJECTS.tolist()


def test_colours_count_where_a_program_made_a_palette_of_them(tmp_path: Path) -> None:
    root = write_cvat(tmp_path)
    for folder in ("SegmentationObject", "SegmentationClass"):
        with Image.open(root / folder / "a.png") as image:
            small = image.quantize(8)
        assert small.mode == "P"
        small.save(root / folder / "a.png")
    maps = VocLayout(root, "default").load_maps(0)
    assert sorted(maps.class_of_object.tolist()) == [1, 1, 2]


def test_what_is_ignored_is_void(tmp_path: Path) -> None:
    labelmap = CVAT + "ignored:224,224,192::\n"
    classes = np.where(OBJECTS == 3, 3, CLASSES).astype(np.uint8)
    colours = [*CVAT_COLOURS, [224, 224, 192]]
    dataset = VocLayout(write_cvat(tmp_path, labelmap, colours, classes), "default")
    assert dataset.class_names == ("fork lift", "pallet")
    maps = dataset.load_maps(0)
    assert maps.class_of_object.tolist() == [1, 2]
    assert (maps.object_map[OBJECTS == 3] == VOID).all()


def test_an_image_without_objects_has_no_masks_and_may_be_a_png(tmp_path: Path) -> None:
    root = write_cvat(tmp_path)
    (root / "ImageSets/Segmentation/default.txt").write_text("a\nsub/b c\n")
    write_image(root / "JPEGImages/sub/b c.png", 7, 5)
    dataset = VocLayout(root, "default")
    sample = dataset.load("sub/b c")
    assert sample.object_map.shape == (5, 7)
    assert len(sample) == 0
    assert not sample.object_map.any()
    (root / "labelmap.txt").unlink()
    with pytest.raises(DataError, match=r"SegmentationObject/sub/b c\.png does not exist"):
        VocLayout(root, "default")


def test_of_two_images_with_one_name_the_jpg_is_taken(tmp_path: Path) -> None:
    root = write_cvat(tmp_path)
    write_image(root / "JPEGImages/a.PNG", 6, 2)
    assert VocLayout(root, "default").image_path("a").name == "a.jpg"
    (root / "JPEGImages/a.jpg").unlink()
    assert VocLayout(root, "default").image_path("a").name == "a.PNG"


@pytest.mark.parametrize(
    ("listed", "names"),
    [
        ("forklift\npallet\n", ("forklift", "pallet")),
        ("_background_\ncar\nperson\n", ("car", "person")),
        ("background\nforklift:9,9,9\npallet:8,8,8\n", ("forklift", "pallet")),
    ],
)
def test_a_list_of_own_names_numbers_them(
    tmp_path: Path, listed: str, names: tuple[str, ...]
) -> None:
    root = write_voc(tmp_path, {"a": (OBJECTS, CLASSES)})
    (root / "classes.txt").write_text(listed)
    if ":" in listed:
        colours = np.array([[0, 0, 0], [9, 9, 9], [8, 8, 8]], np.uint8)
        Image.fromarray(colours[CLASSES]).save(root / "SegmentationClass/a.png")
        Image.fromarray(voc_colours()[OBJECTS]).save(root / "SegmentationObject/a.png")
    dataset = VocLayout(root, "val")
    assert dataset.class_names == names
    assert dataset.labelled_classes == {1, 2}
    assert sorted(dataset.load_maps(0).class_of_object.tolist()) == [1, 1, 2]


def test_a_list_of_known_names_says_what_is_labelled(tmp_path: Path) -> None:
    root = write_cvat(tmp_path)
    (root / "classes.txt").write_text("Pallet\n")
    assert VocLayout(root, "default").labelled_classes == {2}
    (root / "classes.txt").write_text("car\n")
    with pytest.raises(DataError, match=r"classes\.txt: 'car' is none of the classes of .*labelm"):
        VocLayout(root, "default")
    (root / "labelmap.txt").unlink()
    dataset = VocLayout(root, "default")
    assert dataset.class_names == VOC_CLASSES
    assert dataset.labelled_classes == {7}


@pytest.mark.parametrize(
    ("labelmap", "message"),
    [
        ("background:0,0,0::\n", "must have 1 to 1000 classes, got 0"),
        ("a:1,2::\n", "line 1: a colour is r,g,b, got '1,2'"),
        ("a:1,2,300::\n", "line 1: a colour has parts from 0 to 255"),
        ("a:1,2,3::\n\nb:1,2,3::\n", "b has the colour of another label"),
    ],
)
def test_broken_labelmaps_are_refused(tmp_path: Path, labelmap: str, message: str) -> None:
    with pytest.raises(DataError, match=rf"labelmap\.txt.*{message}"):
        VocLayout(write_cvat(tmp_path, labelmap), "default")


def test_colours_of_no_class_and_too_many_are_refused(tmp_path: Path) -> None:
    root = write_cvat(tmp_path, colours=[[0, 0, 0], [51, 221, 254], [250, 50, 83]])
    with pytest.raises(DataError, match=r"a\.png holds the colour 51,221,254, which no class has"):
        VocLayout(root, "default").load_maps(0)
    many = np.arange(300 * 3, dtype=np.uint16).reshape(10, 30, 3).astype(np.uint8)
    Image.fromarray(many).save(root / "SegmentationObject/a.png")
    with pytest.raises(DataError, match=r"a\.png has \d+ colours; at most 254 objects"):
        VocLayout(root, "default").load_maps(0)


def test_images_of_cvat_are_turned_as_their_exif_data_say(tmp_path: Path) -> None:
    root = write_cvat(tmp_path)
    exif = Image.Exif()
    exif[0x0112] = 3
    pixels = np.zeros((2, 6, 3), np.uint8)
    pixels[:, :3] = 255
    Image.fromarray(pixels).save(root / "JPEGImages/a.png", exif=exif)
    (root / "JPEGImages/a.jpg").unlink()
    assert np.array_equal(VocLayout(root, "default").load(0).image, pixels[::-1, ::-1])
    (root / "labelmap.txt").unlink()
    write_mask(root / "SegmentationObject/a.png", OBJECTS)
    write_mask(root / "SegmentationClass/a.png", CLASSES)
    assert np.array_equal(VocLayout(root, "default").load(0).image, pixels)

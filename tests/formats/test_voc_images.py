from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scene_results import make_result

from streamseg.classes import VOC_CLASSES, voc_colours
from streamseg.datasets import VocLayout, open_dataset
from streamseg.errors import SinkError
from streamseg.formats.voc import VocWriter

NAMES = ["car-7", "nut-1", "person-2", "tvmonitor-3"]


def write(root: Path) -> Path:
    with VocWriter(root) as writer:
        writer.write(make_result(0, []))
        writer.write(make_result(1, NAMES))
    return root


def add_images(root: Path, names: Sequence[str]) -> None:
    """What makes the results of a writer a data set: a list of images, and the images."""
    (root / "ImageSets" / "Segmentation").mkdir(parents=True)
    (root / "ImageSets" / "Segmentation" / "val.txt").write_text("\n".join(names))
    (root / "JPEGImages").mkdir()
    for name in names:
        Image.new("RGB", (64, 48)).save(root / "JPEGImages" / f"{name}.jpg")


def test_objects_are_numbered_and_classes_named_in_images_of_their_own(tmp_path: Path) -> None:
    root = write(tmp_path / "out")
    objects = np.array(Image.open(root / "SegmentationObject" / "000001.png"))
    classes = np.array(Image.open(root / "SegmentationClass" / "000001.png"))
    masks = [instance.mask for instance in make_result(1, NAMES).instances]
    assert [objects[mask].tolist() for mask in masks] == [[k] * 100 for k in (1, 0, 2, 3)]
    assert [classes[mask].tolist() for mask in masks] == [[k] * 100 for k in (7, 0, 15, 20)]
    assert objects.astype(bool).sum() == 300
    assert not np.array(Image.open(root / "SegmentationObject" / "000000.png")).any()


def test_files_have_the_names_of_the_images(tmp_path: Path) -> None:
    with VocWriter(tmp_path / "out") as writer:
        for index, name in enumerate(("2007_000032", "2007_000039")):
            result = make_result(index, NAMES)
            writer.write(replace(result, frame=replace(result.frame, image_name=name)))
    for folder in ("SegmentationObject", "SegmentationClass"):
        names = sorted(path.name for path in (tmp_path / "out" / folder).iterdir())
        assert names == ["2007_000032.png", "2007_000039.png"]


def test_the_palette_is_vocs(tmp_path: Path) -> None:
    image = Image.open(write(tmp_path / "out") / "SegmentationClass" / "000001.png")
    assert image.mode == "P"
    palette = np.array(image.getpalette()).reshape(-1, 3)
    # aeroplane, car, person, tvmonitor as in the devkit's colour key
    assert palette[[0, 1, 7, 15, 20]].tolist() == [
        [0, 0, 0], [128, 0, 0], [128, 128, 128], [192, 128, 128], [0, 64, 128],
    ]  # fmt: skip


def test_what_is_written_is_read_as_voc(tmp_path: Path) -> None:
    root = write(tmp_path / "out")
    add_images(root, ["000001"])
    maps = VocLayout(root, "val").read_maps("000001")
    names = [VOC_CLASSES[class_id - 1] for class_id in maps.class_of_object]
    assert names == ["car", "person", "tvmonitor"]


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (("fork lift", "pallet", "person"), ["pallet-4", "person-1", "fork lift-2", "pallet-5"]),
        ([f"part {k}" for k in range(1, 255)], ["part 254-1", "part 1-2", "part 20-3"]),
    ],
    ids=["three", "the most"],
)
def test_own_classes_are_read_back_with_their_names_colours_and_pixels(
    names: Sequence[str], shown: list[str], tmp_path: Path
) -> None:
    root, result = tmp_path / "out", make_result(0, shown)
    with VocWriter(root, names) as writer:
        writer.write(result)
        writer.write(make_result(1, []))
    add_images(root, ["000000", "000001"])
    data = open_dataset(root, "val")
    assert isinstance(data, VocLayout)
    assert data.class_names == tuple(names)
    assert data.labelled_classes == set(range(1, len(names) + 1))
    assert len(data.load("000001")) == 0
    maps = data.load("000000")
    assert np.array_equal(maps.object_map, result.label_map)
    read = [names[class_id - 1] for class_id in maps.class_of_object]
    assert read == [instance.class_name for instance in result.instances]
    lines = (root / "labelmap.txt").read_text().splitlines()[1:]
    colour_of = {line.split(":")[0]: line.split(":")[1] for line in lines}
    assert list(colour_of) == ["background", *names]
    colours = [list(map(int, colour_of[name].split(","))) for name in ("background", *read)]
    for folder, expected in (
        ("SegmentationClass", np.array(colours)),
        ("SegmentationObject", voc_colours()),
    ):
        with Image.open(root / folder / "000000.png") as image:
            pixels = np.array(image.convert("RGB"))
        assert np.array_equal(pixels, expected[result.label_map])


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([f"part {k}" for k in range(255)], "holds at most 254 classes, and the model has 255"),
        (["nut", "bolt: M6"], "labelmap.txt cannot name the class 'bolt: M6'"),
        (["#1", "#2"], "labelmap.txt cannot name the class '#1'"),
    ],
    ids=["many", "colon", "comment"],
)
def test_classes_that_the_format_cannot_hold_are_refused(
    names: Sequence[str], message: str, tmp_path: Path
) -> None:
    with pytest.raises(SinkError, match=f"{message}; choose .*another format, such as coco"):
        VocWriter(tmp_path / "out", names)
    assert not (tmp_path / "out").exists()


def test_folders_with_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="SegmentationObject: it holds PNG files"):
        VocWriter(write(tmp_path / "out"))
    with pytest.raises(SinkError, match="there is no folder"):
        VocWriter(tmp_path / "missing" / "out")

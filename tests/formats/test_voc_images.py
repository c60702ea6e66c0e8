from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scene_results import make_result

from streamseg.classes import VOC_CLASSES
from streamseg.datasets.voc import VocLayout
from streamseg.errors import SinkError
from streamseg.formats.voc import VocWriter

NAMES = ["car-7", "nut-1", "person-2", "tvmonitor-3"]


def write(root: Path) -> Path:
    with VocWriter(root) as writer:
        writer.write(make_result(0, []))
        writer.write(make_result(1, NAMES))
    return root


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
    (root / "ImageSets" / "Segmentation").mkdir(parents=True)
    (root / "ImageSets" / "Segmentation" / "val.txt").write_text("000001\n")
    (root / "JPEGImages").mkdir()
    Image.new("RGB", (64, 48)).save(root / "JPEGImages" / "000001.jpg")
    maps = VocLayout(root, "val").read_maps("000001")
    names = [VOC_CLASSES[class_id - 1] for class_id in maps.class_of_object]
    assert names == ["car", "person", "tvmonitor"]


def test_folders_with_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="SegmentationObject: it holds PNG files"):
        VocWriter(write(tmp_path / "out"))
    with pytest.raises(SinkError, match="there is no folder"):
        VocWriter(tmp_path / "missing" / "out")

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scene_results import make_result

from streamseg.formats.kitti_step import TRAIN_IDS, KittiStepWriter


def test_red_is_the_class_and_green_and_blue_the_number(tmp_path: Path) -> None:
    names = ["car-7", "person-2", "car-1", "motorbike-5"]
    with KittiStepWriter(tmp_path / "0000") as writer:
        writer.write(make_result(0, names[:1]))
        writer.write(make_result(1, names))
    image = Image.open(tmp_path / "0000" / "000001.png")
    assert image.mode == "RGB"
    pixels = np.array(image)
    result = make_result(1, names)
    values = [tuple(pixels[instance.mask][0].tolist()) for instance in result.instances]
    assert values == [(13, 0, 1), (11, 0, 1), (13, 0, 2), (17, 0, 1)]
    for instance, value in zip(result.instances, values, strict=True):
        assert (pixels[instance.mask] == value).all()
    assert (pixels[result.label_map == 0] == (255, 0, 0)).all()


def test_numbers_above_a_byte_go_into_green(tmp_path: Path) -> None:
    with KittiStepWriter(tmp_path / "0000") as writer:
        for start in range(0, 304, 16):
            writer.write(make_result(start, [f"car-{start + k + 1}" for k in range(16)]))
    _, green, blue = np.array(Image.open(tmp_path / "0000" / "000288.png"))[5, 5]
    assert 256 * int(green) + int(blue) == 289


def test_classes_that_cityscapes_lacks_are_void_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING), KittiStepWriter(tmp_path / "0000") as writer:
        writer.write(make_result(0, ["dog-1"]))
    assert (np.array(Image.open(tmp_path / "0000" / "000000.png")) == (255, 0, 0)).all()
    assert caplog.messages == ["KITTI-STEP: masks left out: 1 of class dog, which the format lacks"]


def test_train_ids_are_those_of_cityscapes() -> None:
    expected = {"road": 0, "sky": 10, "person": 11, "car": 13, "train": 16, "bicycle": 18}
    assert {name: TRAIN_IDS[name] for name in expected} == expected

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from dataset_files import nearest_class
from numpy.typing import NDArray

from streamseg.classes import VOC_CLASSES
from streamseg.config import ModelConfig
from streamseg.datasets import VOID, VocLayout
from streamseg.errors import ConfigError
from streamseg.train.augment import Crop
from streamseg.train.config import TrainConfig
from streamseg.train.copy_paste import LabelledCrop, paste
from streamseg.train.data import BatchStream

MakeVoc = Callable[..., VocLayout]
NATIVE = ModelConfig(class_names=VOC_CLASSES, max_pixels=96 * 64)
SMALL = TrainConfig(steps=50, batch_size=3, crop_sizes=(64,), colour_jitter=0.0)


def labelled(object_map: list[list[int]], grey: int, classes: list[int]) -> LabelledCrop:
    labels = np.array(object_map, np.uint8)
    crop = Crop(np.full((*labels.shape, 3), grey, np.uint8), labels, (3.0, 4.0))
    return LabelledCrop(crop, np.array(classes, np.int64))


def chances(*values: float) -> NDArray[np.float64]:
    return np.array([*values, *[1.0] * (VOID - 1 - len(values))])


def test_pasted_objects_hide_what_is_below_and_void_is_not_pasted() -> None:
    below = labelled([[1, 1, 0], [VOID, 2, 0]], 10, [7, 8])
    above = labelled([[0, 1, 2], [1, VOID, 2]], 20, [3, 4])
    pasted = paste(below, above, chances(0.1, 0.6))
    assert pasted.crop.object_map.tolist() == [[1, 3, 0], [3, 2, 0]]
    assert pasted.crop.image[..., 0].tolist() == [[10, 20, 10], [20, 10, 10]]
    assert pasted.class_of_object.tolist() == [7, 8, 3, 4]
    assert pasted.crop.centre_xy == (3.0, 4.0)
    assert below.crop.object_map.tolist() == [[1, 1, 0], [VOID, 2, 0]]


def test_nothing_is_pasted_where_labels_would_reach_void() -> None:
    below = labelled([[1, 0]], 10, [7] * 253)
    one = paste(below, labelled([[0, 1]], 20, [3]), chances(0.0))
    assert one.crop.object_map.tolist() == [[1, 254]]
    two = paste(below, labelled([[0, 1]], 20, [3, 4]), chances(0.0, 0.0))
    assert two is below


def test_a_batch_has_objects_of_two_images_with_their_classes(
    make_voc: MakeVoc, colour_of_class: dict[int, tuple[int, int, int]]
) -> None:
    data = make_voc([[1], [2]])
    stream = BatchStream([data], NATIVE, replace(SMALL, copy_paste=1.0))
    mixed = 0
    for step in range(6):
        batch = stream[step]
        for pixels, labels, classes in zip(
            batch.pixels, batch.labels, batch.class_of_object, strict=True
        ):
            for k, class_id in enumerate(classes.tolist(), start=1):
                colour = pixels[:, 2::4, 2::4][:, labels == k].float().median(1).values
                assert nearest_class(colour.tolist(), colour_of_class) == class_id
            mixed += len(set(classes.tolist())) == 2
    assert mixed
    alone = BatchStream([data], NATIVE, SMALL)
    for step in range(6):
        assert all(len(set(classes.tolist())) < 2 for classes in alone[step].class_of_object)


def test_processes_share_a_batch_with_pasted_objects(voc: VocLayout) -> None:
    config = replace(SMALL, batch_size=4, copy_paste=0.5)
    whole = BatchStream([voc], NATIVE, config)[5]
    for rank in range(2):
        share = BatchStream([voc], NATIVE, config, process=rank, processes=2)[5]
        assert torch.equal(share.pixels, whole.pixels[rank::2])
        assert all(map(torch.equal, share.labels, whole.labels[rank::2]))


def test_a_share_above_one_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"copy_paste must lie in 0 to 1, got 1\.5"):
        TrainConfig(copy_paste=1.5)

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from dataset_files import nearest_class

from streamseg.classes import COCO_CLASSES, VOC_CLASSES
from streamseg.config import ModelConfig
from streamseg.datasets import VOID, VocLayout
from streamseg.errors import ConfigError
from streamseg.train.config import TrainConfig
from streamseg.train.data import BatchStream, evenly_chosen

MakeVoc = Callable[..., VocLayout]
NATIVE = ModelConfig(class_names=VOC_CLASSES, max_pixels=96 * 64)  # the images' own size
SMALL = TrainConfig(steps=50, batch_size=3, crop_sizes=(64,), colour_jitter=0.0)


def test_a_batch_has_the_promised_shapes(voc: VocLayout) -> None:
    batch = BatchStream([voc], NATIVE, SMALL)[0]
    assert batch.pixels.shape == (3, 3, 64, 64)
    assert batch.pixels.dtype == torch.uint8
    assert batch.pixels.is_contiguous(memory_format=torch.channels_last)
    assert batch.centres.shape == (3, 2)
    assert batch.centres.dtype == torch.float32
    for labels, classes in zip(batch.labels, batch.class_of_object, strict=True):
        assert labels.shape == (16, 16)
        assert labels.dtype == classes.dtype == torch.int64
        assert set(labels.flatten().tolist()) - {0, VOID} == set(range(1, len(classes) + 1))


def test_class_255_is_a_class_and_no_void(voc: VocLayout) -> None:
    names = (*(f"part {k}" for k in range(1, 255)), *VOC_CLASSES)
    batch = BatchStream([voc], replace(NATIVE, class_names=names), SMALL)[0]
    usual = BatchStream([voc], NATIVE, SMALL)[0]
    assert 255 in torch.cat(batch.class_of_object)
    for classes, others in zip(batch.class_of_object, usual.class_of_object, strict=True):
        assert torch.equal(classes, others + 254)
    assert all(map(torch.equal, batch.labels, usual.labels))
    assert not batch.unlabelled[:, 254:].any()


def test_a_step_always_gives_the_same_batch_and_another_step_another(voc: VocLayout) -> None:
    stream, again = BatchStream([voc], NATIVE, SMALL), BatchStream([voc], NATIVE, SMALL)
    stream[3]
    assert torch.equal(stream[7].pixels, again[7].pixels)
    assert all(map(torch.equal, stream[7].labels, again[7].labels))
    assert not torch.equal(stream[7].pixels, stream[8].pixels)
    assert len(stream) == SMALL.steps


def test_processes_share_the_batch_of_one(voc: VocLayout) -> None:
    config = replace(SMALL, batch_size=4)
    whole = BatchStream([voc], NATIVE, config)[5]
    shares = [BatchStream([voc], NATIVE, config, process=rank, processes=2)[5] for rank in range(2)]
    for rank, share in enumerate(shares):
        assert share.image_ids == whole.image_ids[rank::2]
        assert torch.equal(share.pixels, whole.pixels[rank::2])
        assert torch.equal(share.centres, whole.centres[rank::2])
        assert all(map(torch.equal, share.labels, whole.labels[rank::2]))
        assert all(map(torch.equal, share.class_of_object, whole.class_of_object[rank::2]))


def test_classes_that_a_data_set_does_not_label_are_unknown(make_voc: MakeVoc) -> None:
    data = make_voc([[1, 2], [1]])
    data.labelled_classes = frozenset({1, 7})
    batch = BatchStream([data], NATIVE, replace(SMALL, batch_size=8))[0]
    assert batch.unlabelled.shape == (8, 20)
    for image_id, unlabelled in zip(batch.image_ids, batch.unlabelled, strict=True):
        # an object of class 2 was labelled after all
        known = {1, 2, 7} if image_id == "image0" else {1, 7}
        assert set(((~unlabelled).nonzero().flatten() + 1).tolist()) == known


def test_classes_are_those_of_the_model_by_name(make_voc: MakeVoc) -> None:
    data = make_voc([[1], [2]])  # aeroplane, bicycle
    coco = replace(NATIVE, class_names=COCO_CLASSES)
    batch = BatchStream([data], coco, replace(SMALL, batch_size=8))[0]
    found = {COCO_CLASSES[k - 1] for classes in batch.class_of_object for k in classes.tolist()}
    assert found == {"airplane", "bicycle"}
    unlabelled = {COCO_CLASSES[int(k)] for k in batch.unlabelled[0].nonzero()}
    assert len(unlabelled) == 60
    assert {"truck", "traffic light"} <= unlabelled
    with pytest.raises(ConfigError, match=r"class_names lacks aeroplane, bicycle, .* of the"):
        BatchStream([data], replace(NATIVE, class_names=("car", "person")), SMALL)


def test_every_step_has_one_size_and_about_as_many_pixels(voc: VocLayout) -> None:
    config = replace(SMALL, batch_size=8, crop_sizes=(64, 32, 128))
    stream = BatchStream([voc], NATIVE, config)
    sizes = {tuple(stream[step].pixels.shape) for step in range(20)}
    assert sizes == {(8, 3, 64, 64), (32, 3, 32, 32), (2, 3, 128, 128)}
    assert config.batch_size_at(128, processes=4) == 4


def test_objects_keep_their_classes_through_crops(
    voc: VocLayout, colour_of_class: dict[int, tuple[int, int, int]]
) -> None:
    stream = BatchStream([voc], NATIVE, SMALL)
    seen = set()
    for step in range(6):
        batch = stream[step]
        for pixels, labels, classes in zip(
            batch.pixels, batch.labels, batch.class_of_object, strict=True
        ):
            at_centres = pixels[:, 2::4, 2::4]
            for k, class_id in enumerate(classes.tolist(), start=1):
                colour = at_centres[:, labels == k].float().median(1).values
                assert nearest_class(colour.tolist(), colour_of_class) == class_id
                seen.add(class_id)
    assert seen == {1, 2, 3}


def test_scale_1_is_the_size_that_the_model_will_see(make_voc: MakeVoc) -> None:
    data = [make_voc([[1]])]
    settings = TrainConfig(
        batch_size=4, crop_sizes=(256,), scale_range=(1.0, 1.0), rotation_degrees=0.0
    )
    for enlarged in (1, 2):
        model = ModelConfig(max_pixels=96 * 64 * enlarged**2)
        for labels in BatchStream(data, model, settings)[0].labels:
            known = (labels != VOID).sum() * 4**2
            assert known == pytest.approx(96 * 64 * enlarged**2, rel=0.1)


def test_images_are_chosen_evenly() -> None:
    assert evenly_chosen(3, 9) == [0, 4, 8]
    assert evenly_chosen(5, 2) == [0, 1]
    assert evenly_chosen(5, 0) == []

import math
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from streamseg.classes import VOC_CLASSES
from streamseg.datasets import Sample
from streamseg.evaluate.overlap import ImageComparison, compare
from streamseg.evaluate.report.gallery import Gallery, image_quality


def sample(name: str, class_id: int = 7) -> Sample:
    object_map = np.zeros((60, 80), np.uint8)
    object_map[10:50, 10:40] = 1
    return Sample(
        id=name,
        image=np.full((60, 80, 3), 128, np.uint8),
        object_map=object_map,
        class_of_object=np.array([class_id]),
    )


def compared(
    name: str, width: int
) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.bool_]], ImageComparison]:
    masks = np.zeros((1, 60, 80), np.bool_)
    masks[0, 10:50, 10 : 10 + width] = True
    return masks, compare(name, masks, np.array([7]), np.array([0.9]), sample(name))


def test_only_the_best_and_worst_are_kept() -> None:
    gallery = Gallery(VOC_CLASSES, size=2)
    for name, quality in zip("abcdefg", (0.4, 0.9, 0.1, 0.6, 1.0, math.nan, 0.3), strict=True):
        masks, found = compared(name, 30)
        gallery.offer(quality, sample(name), masks, found)
    assert [e.image_id for e in gallery.best()] == ["e", "b"]
    assert [e.image_id for e in gallery.worst()] == ["c", "g"]


def test_a_image_is_not_shown_twice() -> None:
    gallery = Gallery(VOC_CLASSES, size=2)
    masks, found = compared("a", 30)
    gallery.offer(0.5, sample("a"), masks, found)
    assert len(gallery.best()) == 1
    assert gallery.worst() == []


def test_the_drawing_shows_truth_and_prediction_in_colour() -> None:
    gallery = Gallery(VOC_CLASSES, size=1)
    masks, found = compared("a", 30)
    gallery.offer(1.0, sample("a"), masks, found)
    image = np.asarray(Image.open(BytesIO(gallery.best()[0].jpeg))).astype(int)
    half = image.shape[1] // 2
    colourful = np.ptp(image, axis=2) > 30
    assert colourful[:, :half].mean() == pytest.approx(colourful[:, half:].mean(), rel=0.2)
    assert 0.2 < colourful.mean() < 0.6  # the object covers a quarter, a label stands above


def test_quality_is_the_average_precision_of_the_image() -> None:
    # 15 of 30 columns: IoU 1/2 reaches 0.1 to 0.5
    assert image_quality(compared("a", 15)[1], 0) == pytest.approx(5 / 9)
    assert math.isnan(image_quality(compared("a", 15)[1], 10_000))

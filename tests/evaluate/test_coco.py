from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from random_scenes import Found, random_scene

from streamseg.classes import VOC_CLASSES
from streamseg.datasets import ObjectMaps
from streamseg.evaluate.coco import coco_ap
from streamseg.evaluate.overlap import compare

Scenes = Sequence[tuple[ObjectMaps, Found]]


def rle(mask: NDArray[np.bool_]) -> Any:
    return coco_mask.encode(np.asfortranarray(mask, np.uint8))


def official(scenes: Scenes) -> list[float]:
    """COCO's twelve numbers by the tool's own way: files' contents in, statistics out."""
    truth: dict[str, list[dict[str, Any]]] = {
        "images": [],
        "annotations": [],
        "categories": [{"id": c, "name": n} for c, n in enumerate(VOC_CLASSES, start=1)],
    }
    results = []
    for i, (sample, (masks, class_id, score)) in enumerate(scenes, start=1):
        truth["images"].append({"id": i, "height": masks.shape[1], "width": masks.shape[2]})
        for m, c in enumerate(sample.class_of_object.tolist(), start=1):
            mask = rle(sample.object_map == m)
            truth["annotations"].append(
                {
                    "id": len(truth["annotations"]) + 1,
                    "image_id": i,
                    "category_id": c,
                    "segmentation": mask,
                    "area": int(coco_mask.area(mask)),
                    "bbox": coco_mask.toBbox(mask).tolist(),
                    "iscrowd": 0,
                }
            )
        results += [
            {"image_id": i, "category_id": int(c), "segmentation": rle(mask), "score": float(s)}
            for mask, c, s in zip(masks, class_id, score, strict=True)
        ]
    with redirect_stdout(StringIO()):
        coco = COCO()
        coco.dataset = truth
        coco.createIndex()
        judge = COCOeval(coco, coco.loadRes(results), "segm")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return [math.nan if value == -1 else float(value) for value in judge.stats]


@pytest.mark.parametrize("seed", range(12))
def test_all_twelve_numbers_are_pycocotools_own(seed: int) -> None:
    side = (12, 60, 140)[seed % 3]  # small, medium and large objects
    many = 150 if seed % 4 == 0 else 8  # more than the 100 that count
    scenes = [
        random_scene(100 * seed + i, f"{i}", side=side, classes=1 + seed % 3, predictions=many)
        for i in range(5)
    ]
    ours = coco_ap([compare(s.id, *found, s) for s, found in scenes], 20)
    expected = official(scenes)
    measured = [math.nan if value is None else value for value in ours.to_json().values()]
    assert np.allclose(measured, expected, rtol=0, atol=1e-12, equal_nan=True)
    assert 0 < ours.ap < 1


def test_nothing_to_find_is_undefined() -> None:
    sample = ObjectMaps(
        id="x", object_map=np.zeros((4, 4), np.uint8), class_of_object=np.zeros(0, np.int64)
    )
    found = np.ones((1, 4, 4), np.bool_), np.array([1]), np.array([0.5])
    assert set(coco_ap([compare("x", *found, sample)], 20).to_json().values()) == {None}

"""Writes small data sets in the formats that streamseg reads."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.io import savemat

Map = NDArray[np.uint8]


def write_mask(path: Path, values: Map) -> None:
    image = Image.fromarray(values).convert("P")
    image.putdata(values.ravel().tolist())  # convert() maps grey values, indices are wanted
    image.save(path)


def write_image(path: Path, width: int, height: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, height), (200, 100, 0)).save(path)


def write_voc(root: Path, maps: dict[str, tuple[Map, Map]], split: str = "val") -> Path:
    """Object and class map of each image, by its id."""
    for folder in ("SegmentationObject", "SegmentationClass", "ImageSets/Segmentation"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / f"ImageSets/Segmentation/{split}.txt").write_text("\n".join(maps) + "\n")
    for image_id, (objects, classes) in maps.items():
        write_image(root / f"JPEGImages/{image_id}.jpg", objects.shape[1], objects.shape[0])
        write_mask(root / f"SegmentationObject/{image_id}.png", objects)
        write_mask(root / f"SegmentationClass/{image_id}.png", classes)
    return root


def write_sbd(root: Path, masks: dict[str, tuple[Map, Sequence[int]]], split: str = "val") -> Path:
    """Object map and the classes of its objects, for each image, by its id."""
    (root / "inst").mkdir(parents=True, exist_ok=True)
    (root / f"{split}.txt").write_text("\n".join(masks) + "\n")
    for image_id, (objects, classes) in masks.items():
        write_image(root / f"img/{image_id}.jpg", objects.shape[1], objects.shape[0])
        # as in the original, the categories are a column, and there are boundaries besides
        struct = {
            "Segmentation": objects,
            "Boundaries": np.zeros(objects.shape, np.uint8),
            "Categories": np.array(classes, np.uint8)[:, None],
        }
        savemat(root / f"inst/{image_id}.mat", {"GTinst": struct}, do_compression=True)
    return root


def coco_document(
    annotations: Sequence[dict[str, Any]],
    *,
    categories: Sequence[str] = ("person", "dining table", "banana", "truck", "car"),
    file_names: Sequence[str] = ("one.jpg",),
    height: int = 6,
    width: int = 8,
) -> dict[str, Any]:
    """A COCO document; categories are numbered from 1, images from 100.

    Annotations are on image 100 unless they say otherwise, and of a category by its name.
    """
    return {
        "categories": [{"id": i, "name": name} for i, name in enumerate(categories, start=1)],
        "images": [
            {"id": i, "file_name": name, "height": height, "width": width}
            for i, name in enumerate(file_names, start=100)
        ],
        "annotations": [
            {
                "id": i,
                "image_id": annotation.get("image_id", 100),
                "category_id": categories.index(annotation["category"]) + 1,
                "segmentation": annotation["segmentation"],
                "iscrowd": annotation.get("iscrowd", 0),
            }
            for i, annotation in enumerate(annotations, start=1)
        ],
    }


def write_coco(file: Path, folder: Path, document: dict[str, Any]) -> Path:
    """The annotation file and its images."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document))
    for image in document["images"]:
        write_image(folder / image["file_name"], image["width"], image["height"])
    return file


def rectangle(x0: int, y0: int, x1: int, y1: int) -> list[list[int]]:
    """The polygon around pixels x0 <= x < x1, y0 <= y < y1."""
    return [[x0, y0, x1, y0, x1, y1, x0, y1]]


def nearest_class(colour: Sequence[float], colour_of_class: Mapping[int, Sequence[int]]) -> int:
    """The class whose colour is nearest, in the sum of differences."""

    def distance(class_id: int) -> float:
        return sum(abs(a - b) for a, b in zip(colour, colour_of_class[class_id], strict=True))

    return min(colour_of_class, key=distance)

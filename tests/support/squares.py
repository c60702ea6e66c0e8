"""A tiny data set in COCO's format, and an untrained network to start from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from dataset_files import coco_document, rectangle
from PIL import Image

from streamseg.classes import VOC_CLASSES
from streamseg.config import ModelConfig
from streamseg.model.network import Network
from streamseg.model.weights import save_safetensors

MODEL = ModelConfig(
    trunk="test_efficientnet",
    embedding_dim=8,
    neck_channels=16,
    head_channels=16,
    taus=(0.5, 0.75),
    class_names=VOC_CLASSES,
    max_pixels=96 * 64,
)
COLOURS = ((220, 30, 30), (30, 30, 220), (30, 200, 30))


def write_untrained(path: Path) -> str:
    """Write the weights of a network with the classes of VOC."""
    torch.manual_seed(0)
    save_safetensors(path, Network(MODEL).state_dict(), MODEL)
    return str(path)


def write_squares(
    folder: Path, names: Sequence[str], split: str, shown: Sequence[str] | None = None
) -> None:
    """Six images of 96 x 64 px with three squares of classes in their own colours.

    They are of the classes ``shown``, at most three; by default of the first ones.
    """
    shown = shown or names[:3]
    images: list[dict[str, Any]] = []
    files = [f"{split}{i}.png" for i in range(6)]
    rng = np.random.default_rng(len(split))
    (folder / split).mkdir(parents=True)
    (folder / "annotations").mkdir(exist_ok=True)
    for i, file in enumerate(files):
        pixels = rng.integers(100, 140, (64, 96, 3), dtype=np.uint8)
        for k in range(3):
            name = shown[(i + k) % len(shown)]
            x, y = 2 + 32 * k, int(rng.integers(2, 34))
            pixels[y : y + 28, x : x + 28] = COLOURS[shown.index(name)]
            shape = rectangle(x, y, x + 28, y + 28)
            images.append({"category": name, "segmentation": shape, "image_id": 100 + i})
        Image.fromarray(pixels).save(folder / split / file)
    document = coco_document(images, categories=names, file_names=files, height=64, width=96)
    (folder / "annotations" / f"instances_{split}.json").write_text(json.dumps(document))

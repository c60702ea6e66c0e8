"""Batches of training pictures, drawn by class, each a function of the seed and the step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from streamseg.config import ModelConfig
from streamseg.datasets import VOID, VocLayout, object_classes
from streamseg.errors import DataError
from streamseg.train.augment import Crop, augment
from streamseg.train.config import TrainConfig


@dataclass(frozen=True)
class Batch:
    """What one step learns from."""

    pixels: Tensor
    """[B, 3, S, S] uint8 RGB, channels last in memory."""
    labels: list[Tensor]
    """B × [S/4, S/4] int64: 0 background, k the k-th object of the crop, 255 void."""
    class_of_object: list[Tensor]
    """B × [M] int64."""
    centres: Tensor
    """[B, 2] float32: x and y of each crop's centre in pixels from that of its picture."""


class BatchStream(Dataset[Batch]):
    """Item ``step`` is the batch of that step: a resumed run sees what it would have seen.

    Pictures are drawn by class: first a class, with probability ∝ √(pictures that show it),
    then one of its pictures. Drawn uniformly, rare classes would never be learnt. Scale 1 of the
    augmentation is the size at which the model sees a picture when it is used.
    """

    def __init__(
        self, datasets: Sequence[VocLayout], model_config: ModelConfig, config: TrainConfig
    ) -> None:
        """Index the classes of all pictures of ``datasets``.

        Raises:
            DataError: a mask cannot be read, or no picture shows an object.
        """
        self.pictures = [(data, image_id) for data in datasets for image_id in data.ids]
        self.model_config = model_config
        self.config = config
        classes = [found for data in datasets for found in object_classes(data)]
        self.pictures_of_class = {
            name: [i for i, found in enumerate(classes) if name in found]
            for name in sorted({name for found in classes for name in found})
        }
        if not self.pictures_of_class:
            raise DataError("no picture of the data shows an object: there is nothing to learn")
        counts = np.array([len(pictures) for pictures in self.pictures_of_class.values()])
        self.class_probability = np.sqrt(counts) / np.sqrt(counts).sum()

    def __len__(self) -> int:
        """Number of steps of a whole run."""
        return self.config.steps

    def __getitem__(self, step: int) -> Batch:
        """The batch of one step."""
        config = self.config
        rng = np.random.default_rng((config.seed, step))
        names = rng.choice(
            list(self.pictures_of_class), config.batch_size, p=self.class_probability
        )
        smallest, largest = config.scale_range
        crops, labels, classes = [], [], []
        for name in names:
            data, image_id = self.pictures[rng.choice(self.pictures_of_class[name])]
            sample = data.load(image_id)
            height, width = sample.object_map.shape
            in_use = math.sqrt(math.prod(self.model_config.input_size(width, height)))
            scale = in_use / math.sqrt(width * height)
            crop = augment(
                sample,
                config.crop_size,
                rotation_degrees=config.rotation_degrees,
                scale_range=(scale * smallest, scale * largest),
                colour_jitter=config.colour_jitter,
                rng=rng,
            )
            crops.append(crop)
            found, kept = feature_map_labels(crop, self.model_config.stride, config.min_instance_px)
            labels.append(found)
            classes.append(torch.from_numpy(sample.class_of_object[kept]))
        pixels = torch.from_numpy(np.stack([crop.image for crop in crops])).permute(0, 3, 1, 2)
        centres = torch.tensor([crop.centre_xy for crop in crops])
        return Batch(pixels, labels, classes, centres)


def feature_map_labels(crop: Crop, stride: int, min_px: int) -> tuple[Tensor, list[int]]:
    """Object labels at feature-map size, numbered anew, and which objects they are.

    Each feature-map pixel takes the label at its centre. Objects left with fewer than
    ``min_px`` of them cannot be learnt from and become void.

    Returns:
        [S/stride, S/stride] int64, and for label k, at k-1, the index of the sample's object.
    """
    labels = crop.object_map[stride // 2 :: stride, stride // 2 :: stride]
    renumber = np.full(256, VOID, dtype=np.int64)
    renumber[0] = 0
    counts = np.bincount(labels.reshape(-1), minlength=256)
    kept = [k - 1 for k in range(1, VOID) if counts[k] >= min_px]
    for new, old in enumerate(kept, start=1):
        renumber[old + 1] = new
    return torch.from_numpy(renumber[labels]), kept

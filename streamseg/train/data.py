"""Batches of training images, drawn by class, each a function of the seed and the step."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from streamseg.config import ModelConfig
from streamseg.datasets import VOID, InstanceDataset, Sample, with_classes
from streamseg.frame import Image, frame_of_array
from streamseg.train.augment import AugmentDraw, choose_view, cut
from streamseg.train.balance import BalancedDraw
from streamseg.train.config import TrainConfig
from streamseg.train.copy_paste import LabelledCrop, paste
from streamseg.train.map_labels import label_map_pixels


@dataclass(frozen=True)
class Batch:
    """Images and labels of one step."""

    pixels: Tensor
    """[B, 3, S, S] uint8 RGB, channels last in memory."""
    labels: list[Tensor]
    """B × [h, w] int64, h = w = S/4: 0 background, k the k-th object of the crop, 255 void."""
    coverage: list[Tensor]
    """B × [M, h, w] float32: the share of each map pixel that object k covers, at k-1."""
    class_of_object: list[Tensor]
    """B × [M] int64."""
    unlabelled: Tensor
    """[B, C] bool: classes that may be in the image without a mask."""
    centres: Tensor
    """[B, 2] float32: x and y of each crop's centre in pixels from that of its image."""
    image_ids: list[str]
    seconds: float
    """Time that it took to make."""

    def to(self, device: torch.device) -> Batch:
        """The batch with its tensors on a device."""
        return replace(
            self,
            pixels=self.pixels.to(device),
            labels=[labels.to(device) for labels in self.labels],
            coverage=[coverage.to(device) for coverage in self.coverage],
            class_of_object=[classes.to(device) for classes in self.class_of_object],
            unlabelled=self.unlabelled.to(device),
            centres=self.centres.to(device),
        )


@dataclass(frozen=True, eq=False)
class _Drawn:
    """An image that was drawn, not opened yet."""

    data: InstanceDataset
    image_id: str
    augment: AugmentDraw


@dataclass(frozen=True, eq=False)
class _Overlay:
    """An image whose objects are pasted over another, and the random numbers for ``paste``."""

    image: _Drawn
    chances: NDArray[np.float64]
    """[254]"""


class BatchStream(Dataset[Batch]):
    """Item ``step`` is the batch of that step, so that a resumed run sees the same batches.

    Images are drawn by class (see ``BalancedDraw``). Scale 1 of the augmentation is the size at
    which the model sees an image when it is used.

    Of several processes each gets its share of the same batch: process r of R the images r,
    r + R, r + 2R, ...
    """

    def __init__(
        self,
        datasets: Sequence[InstanceDataset],
        model_config: ModelConfig,
        config: TrainConfig,
        *,
        process: int = 0,
        processes: int = 1,
    ) -> None:
        """Index the classes of all images of ``datasets``.

        Args:
            datasets: all of them are trained on together.
            model_config: says at which size images are seen, and the size of feature maps.
            config: of the run.
            process: rank of the process that gets this share.
            processes: number of shares.

        Raises:
            ConfigError: the model lacks a class that a data set labels.
            DataError: a mask cannot be read, or no image shows an object.
        """
        datasets = [with_classes(data, model_config.class_names) for data in datasets]
        self.images = [(data, image_id) for data in datasets for image_id in data.ids]
        self.balanced = BalancedDraw(datasets, config.balance)
        self.model_config = model_config
        self.config = config
        self.processes = processes
        self.share = slice(process, None, processes)

    def __len__(self) -> int:
        """Number of steps of a whole run."""
        return self.config.steps

    def __getitem__(self, step: int) -> Batch:
        """The batch of one step, or this process's share of it.

        Raises:
            DataError: an image or a mask cannot be read.
        """
        started = time.perf_counter()
        rng = np.random.default_rng((self.config.seed, step))
        size = int(rng.choice(self.config.crop_sizes))
        count = self.config.batch_size_at(size, self.processes)
        drawn = [self._draw(rng) for _ in range(count)]
        crops, labels, coverage, classes, unlabelled, image_ids = [], [], [], [], [], []
        for image, overlay in drawn[self.share]:
            sample = image.data.load(image.image_id)
            labelled = self._crop(sample, size, image.augment)
            if overlay is not None:
                source = overlay.image
                above = self._crop(source.data.load(source.image_id), size, source.augment)
                labelled = paste(labelled, above, overlay.chances)
            found = label_map_pixels(
                labelled.crop, self.model_config.stride, self.config.min_instance_px
            )
            crops.append(labelled.crop)
            labels.append(found.labels)
            coverage.append(found.coverage)
            classes.append(torch.from_numpy(labelled.class_of_object[found.kept]))
            unlabelled.append(self._unlabelled(image.data, sample))
            image_ids.append(image.image_id)
        return Batch(
            pixels=torch.from_numpy(np.stack([crop.image for crop in crops])).permute(0, 3, 1, 2),
            labels=labels,
            coverage=coverage,
            class_of_object=classes,
            unlabelled=torch.stack(unlabelled),
            centres=torch.tensor([crop.centre_xy for crop in crops]),
            image_ids=image_ids,
            seconds=time.perf_counter() - started,
        )

    def _draw(self, rng: np.random.Generator) -> tuple[_Drawn, _Overlay | None]:
        """Draw an image, and perhaps another to paste over it."""
        image = _Drawn(*self.balanced.draw(rng), AugmentDraw.draw(rng))
        if not self.config.copy_paste or rng.random() >= self.config.copy_paste:
            return image, None
        other = _Drawn(*self.balanced.draw(rng), AugmentDraw.draw(rng))
        return image, _Overlay(other, rng.random(VOID - 1))

    def _unlabelled(self, data: InstanceDataset, sample: Sample) -> Tensor:
        """[C] bool: classes that may be in the image without a mask."""
        unlabelled = torch.ones(len(self.model_config.class_names), dtype=torch.bool)
        labelled = [*data.labelled_classes, *sample.class_of_object]
        unlabelled[np.array(labelled, np.int64) - 1] = False
        return unlabelled

    def _crop(self, sample: Sample, size: int, draw: AugmentDraw) -> LabelledCrop:
        """Cut a training image; scale 1 is the size at which the model sees the whole image."""
        height, width = sample.object_map.shape
        in_use = math.sqrt(math.prod(self.model_config.input_size(width, height)))
        scale = in_use / math.sqrt(width * height)
        smallest, largest = self.config.scale_range
        view = choose_view(
            sample,
            size,
            rotation_degrees=self.config.rotation_degrees,
            scale_range=(scale * smallest, scale * largest),
            colour_jitter=self.config.colour_jitter,
            draw=draw,
        )
        return LabelledCrop(cut(sample, size, view), sample.class_of_object)


def evenly_chosen(count: int, total: int) -> list[int]:
    """Choose at most ``count`` of the indices 0..total-1, evenly spread."""
    chosen: list[int] = np.linspace(0, total - 1, min(count, total)).astype(int).tolist()
    return chosen


def images_at_input_size(
    images: Sequence[tuple[InstanceDataset, str]], model_config: ModelConfig, count: int
) -> list[Image]:
    """Load at most ``count`` images, evenly chosen, at the size of the network's input.

    Returns:
        RGB uint8 [H, W, 3], H and W multiples of 32.
    """
    chosen = [images[index] for index in evenly_chosen(count, len(images))]
    frames = [frame_of_array(data.load(image_id).image) for data, image_id in chosen]
    return [
        frame.render(*model_config.input_size(frame.display_width, frame.height))
        for frame in frames
    ]

"""Computation of one step: the network's outputs on a batch, and the losses of equation (10)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from streamseg.datasets import VOID
from streamseg.model.class_losses import classification_loss, distillation_loss, semantic_loss
from streamseg.model.losses import embedding_loss, seed_targets, soft_mask_loss
from streamseg.model.network import Network
from streamseg.model.points import Points, draw_points
from streamseg.model.prior import merge_detections
from streamseg.model.trunk import Trunk
from streamseg.train.config import TrainConfig
from streamseg.train.data import Batch
from streamseg.train.processes import Processes

SOFT_MASK_EVERY = 4
"""Only every fourth drawn pixel grows a soft mask, which is compared with every pixel."""


class Outputs(NamedTuple):
    """Inputs of the losses: float32, one row per pixel."""

    embeddings: Tensor
    """[B, N, D], N pixels of the map at stride 4."""
    foreground: Tensor
    """[B, N, T], logits of F."""
    semantic: Tensor
    """[B, N], logits of the semantic loss's foreground."""
    classes: Tensor
    """[B, N/4, C], log Q at stride 8."""
    teacher: Tensor | None
    """[B, N/4, C], class logits of the trunk as it was when the run began."""


class TrainingOutputs(nn.Module):
    """The network with all three heads, the module whose gradients the processes share."""

    def __init__(self, network: Network, precision: torch.dtype, teacher: Trunk | None) -> None:
        """Wrap a network.

        Args:
            network: its parameters are this module's.
            precision: of trunk and neck, float32 or bfloat16. The heads compute in float32:
                bfloat16's three digits are too few for distances of embeddings.
            teacher: the trunk as it was when the run began; run only while the trunk is trained.
        """
        super().__init__()
        self._teacher = (teacher,)  # in a tuple, so that it is not a submodule
        self.network = network
        self.mixed = precision != torch.float32

    def forward(self, pixels: Tensor, centres: Tensor) -> Outputs:
        """Run the network on a batch.

        Args:
            pixels: uint8 [B, 3, S, S].
            centres: float32 [B, 2], see ``Network.heads``.
        """
        pixels = pixels.float().contiguous(memory_format=torch.channels_last)
        with torch.autocast(pixels.device.type, torch.bfloat16, enabled=self.mixed):
            features = self.network.features(pixels)
        features = features.float()
        maps = self.network.heads(features, centres)
        teacher = self._teacher_logits(pixels, maps.prior)
        # pixels as rows: in channels-last memory these are views, and so are their gradients
        return Outputs(
            embeddings=_rows(maps.embeddings),
            foreground=_rows(maps.foreground),
            semantic=_rows(self.network.semantic_head(features.fine)).squeeze(2),
            classes=_rows(maps.classes).log_softmax(2),
            teacher=None if teacher is None else _rows(teacher.float()),
        )

    @torch.no_grad()
    def _teacher_logits(self, pixels: Tensor, prior: Tensor | None) -> Tensor | None:
        """Class logits of the teacher, [B, C, h, w]; a frozen trunk is its own teacher."""
        (teacher,) = self._teacher
        if teacher is None:
            return None
        if not any(parameter.requires_grad for parameter in self.network.trunk.parameters()):
            return prior
        with torch.autocast(pixels.device.type, torch.bfloat16, enabled=self.mixed):
            detections = teacher(self.network.normalised(pixels)).detections
        return self.network.class_prior(merge_detections(detections))


def _rows(maps: Tensor) -> Tensor:
    """[B, X, h, w] → [B, h·w, X]."""
    return maps.permute(0, 2, 3, 1).flatten(1, 2)


@dataclass(frozen=True)
class Losses:
    """Scalar losses of a batch. Their mean over the processes is the loss of the whole batch."""

    total: Tensor
    embedding: Tensor
    classification: Tensor
    semantic: Tensor
    masks: Tensor
    """0 if ``mask_weight`` is 0."""
    distillation: Tensor
    """0 if ``distillation_weight`` is 0, or the trunk does not detect."""
    good_seeds: Tensor
    """Number of drawn object pixels, counted for each τ, that would grow a good mask."""
    possible_seeds: Tensor
    """Number of all drawn object pixels, counted for each τ."""


def draw_batch_points(batch: Batch, config: TrainConfig, seed: int) -> list[Points]:
    """Draw the pixels for the losses, image by image.

    Drawing on the CPU gives the same pixels on every device.

    Args:
        batch: with its tensors on the CPU.
        config: of the run.
        seed: of the draw.
    """
    generator = torch.Generator().manual_seed(seed)
    return [
        draw_points(
            labels,
            per_instance=config.points_per_instance,
            in_background=config.points_in_background,
            generator=generator,
        )
        for labels in batch.labels
    ]


def batch_losses(
    outputs: Outputs,
    batch: Batch,
    points: Sequence[Points],
    taus: tuple[float, ...],
    config: TrainConfig,
    step: int,
    processes: Processes,
) -> Losses:
    """Compute the losses of one batch.

    Args:
        outputs: of ``TrainingOutputs``.
        batch: on the same device.
        points: drawn pixels of every image, on the same device.
        taus: T similarity thresholds.
        config: weights of the losses.
        step: λ depends on it.
        processes: those that share the batch.
    """
    image = torch.cat([torch.full_like(p.index, i) for i, p in enumerate(points)])
    index = torch.cat([p.index for p in points])
    all_drawn = outputs.embeddings[image, index]
    drawn = all_drawn.split([len(p.index) for p in points])
    coarse = coarse_index(batch.labels[0].shape[1], batch.labels[0].shape[0], index.device)

    metrics = [
        embedding_loss(rows, coverage, p, size_exponent=config.size_exponent)
        for rows, coverage, p in zip(drawn, batch.coverage, points, strict=True)
        if len(rows)
    ]
    # an all-void batch gives no gradient
    metric = torch.stack(metrics).mean() if metrics else all_drawn.sum()
    of_images = [
        seed_targets(rows, pixels, labels, classes, taus, good_iou=config.good_iou)
        for rows, pixels, labels, classes in zip(
            drawn, outputs.embeddings, batch.labels, batch.class_of_object, strict=True
        )
    ]
    targets, quality = (torch.cat(parts) for parts in zip(*of_images, strict=True))
    seeds = classification_loss(
        outputs.foreground[image, index],
        outputs.classes[image, coarse[index]],
        targets,
        quality,
        batch.unlabelled[image],
    )
    good = quality[torch.cat([p.instance for p in points]) > 0] > 0.5
    semantics = torch.stack(
        [
            semantic_loss(foreground, classes[coarse], labels.flatten(), of_object, unlabelled)
            for foreground, classes, labels, of_object, unlabelled in zip(
                outputs.semantic,
                outputs.classes,
                batch.labels,
                batch.class_of_object,
                batch.unlabelled,
                strict=True,
            )
        ]
    ).mean()
    distillation = masks = torch.zeros((), device=targets.device)
    if outputs.teacher is not None:
        size = outputs.classes.shape[1]
        objects = torch.stack([labels[::2, ::2].flatten() for labels in batch.labels])
        distillation = distillation_loss(
            outputs.classes.flatten(0, 1),
            outputs.teacher.flatten(0, 1),
            batch.unlabelled.repeat_interleave(size, 0),
            ((objects > 0) & (objects != VOID)).flatten(),
        )
    if config.mask_weight:
        masks = torch.stack(
            [
                soft_mask_loss(
                    rows[::SOFT_MASK_EVERY], pixels, labels, coverage, p.every(SOFT_MASK_EVERY)
                )
                for rows, pixels, labels, coverage, p in zip(
                    drawn, outputs.embeddings, batch.labels, batch.coverage, points, strict=True
                )
            ]
        ).mean()
    # both are means over drawn pixels, whose number may differ between processes
    counts = torch.tensor([len(metrics), len(targets)], dtype=torch.float32, device=targets.device)
    shares = counts * processes.count / processes.sum(counts).clamp(min=1)
    metric, seeds = metric * shares[0], seeds * shares[1]
    return Losses(
        total=metric
        + config.class_weight_at(step) * seeds
        + config.semantic_weight * semantics
        + config.mask_weight * masks
        + config.distillation_weight * distillation,
        embedding=metric,
        classification=seeds,
        semantic=semantics,
        masks=masks,
        distillation=distillation,
        good_seeds=good.sum(),
        possible_seeds=torch.tensor(good.numel(), device=good.device),
    )


def coarse_index(width: int, height: int, device: torch.device) -> Tensor:
    """[h·w] int64: for every pixel of a map the one that covers it in a map of half the size."""
    rows = torch.arange(height, device=device) // 2
    columns = torch.arange(width, device=device) // 2
    return (rows[:, None] * (width // 2) + columns).flatten()

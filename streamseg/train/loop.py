"""The training loop: batches in, checkpoints and a log of losses out."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from streamseg.config import ModelConfig
from streamseg.datasets import VocLayout
from streamseg.errors import ConfigError, ModelError, TrainingError
from streamseg.model.losses import (
    classification_loss,
    draw_points,
    embedding_loss,
    seed_targets,
    semantic_loss,
)
from streamseg.model.network import Network
from streamseg.model.trunks import freeze_early
from streamseg.model.weights import Checkpoint, load_checkpoint, save_checkpoint
from streamseg.train.config import TrainConfig
from streamseg.train.data import Batch, BatchStream
from streamseg.train.run_config import RunConfig

logger = logging.getLogger(__name__)

CHECKPOINT = "checkpoint.pt"
METRICS = "metrics.jsonl"
CONFIG = "config.toml"
REMEDY = "lower learning_rate and run again, which goes on from the last checkpoint"


@dataclass(frozen=True)
class StepMetrics:
    """What is logged of one step."""

    step: int
    loss: float
    embedding_loss: float
    classification_loss: float
    semantic_loss: float
    good_seeds: float
    """Share of the drawn object pixels that would grow a good mask, over all τ."""
    gradient_norm: float
    seconds: float


class Trainer:
    """One run in one folder.

    ``checkpoint.pt`` is to go on from, ``config.toml`` holds all numbers, ``metrics.jsonl`` what
    happened.
    """

    def __init__(
        self,
        datasets: Sequence[VocLayout],
        folder: Path,
        model_config: ModelConfig,
        config: TrainConfig,
        *,
        start_from: dict[str, Tensor] | None = None,
    ) -> None:
        """Start a run, or go on with the one that ``folder`` holds.

        Args:
            datasets: all of them are learnt from together.
            folder: of the run; made if missing.
            model_config: of a new run; an old one keeps its own.
            config: may differ from an old run's, to prolong it.
            start_from: weights of a trained network to fine-tune, instead of ImageNet's.

        Raises:
            ConfigError: the run in ``folder`` is longer than ``config.steps`` already.
            ModelError: the checkpoint in ``folder`` cannot be read.
        """
        torch.manual_seed(config.seed)
        self.folder = folder
        self.config = config
        folder.mkdir(parents=True, exist_ok=True)
        checkpoint = folder / CHECKPOINT
        old = load_checkpoint(checkpoint) if checkpoint.exists() else None
        if old and old.step > config.steps:
            raise ConfigError(
                f"{folder} has done {old.step} steps already, more than the {config.steps} of "
                f"train.steps; ask for more or choose another folder"
            )
        self.model_config = old.model_config if old else model_config
        self.network = Network(self.model_config, pretrained=old is None and start_from is None)
        freeze_early(self.network.trunk)
        self.network.to(memory_format=torch.channels_last)
        self.optimizer = self._make_optimizer()
        self.image_ids = [image_id for data in datasets for image_id in data.ids]
        self.step = 0
        if old:
            self._restore(old, checkpoint)
            self.step = old.step
            self.image_ids = sorted({*self.image_ids, *old.image_ids})
            logger.info("going on from step %d of %s", old.step, checkpoint)
        elif start_from:
            self.network.load_state_dict(start_from)
        self.batches = BatchStream(datasets, self.model_config, config)
        whole = RunConfig(self.model_config, config)
        (folder / CONFIG).write_text(whole.to_toml(), encoding="utf-8")

    def _make_optimizer(self) -> torch.optim.Optimizer:
        """AdamW with a group each for the trunk and the rest; rates are set at every step."""
        trunk = [p for p in self.network.trunk.parameters() if p.requires_grad]
        rest = [*self.network.neck.parameters()]
        network = self.network
        for head in (network.embedding_head, network.class_head, network.semantic_head):
            rest.extend(head.parameters())
        groups = [{"params": trunk}, {"params": rest}]
        return torch.optim.AdamW(groups, weight_decay=self.config.weight_decay)

    def _restore(self, old: Checkpoint, path: Path) -> None:
        """Take over weights and moments; the rates stay this run's own."""
        try:
            self.network.load_state_dict(old.network)
            self.optimizer.load_state_dict(old.optimizer)
        except (RuntimeError, ValueError, KeyError) as error:
            raise ModelError(f"{path} does not fit its own configuration: {error}") from error
        for group in self.optimizer.param_groups:
            group["weight_decay"] = self.config.weight_decay

    def run(self, on_step: Callable[[StepMetrics], None]) -> None:
        """Learn until ``config.steps``; an interrupt or an error leaves a checkpoint.

        Only after a ``TrainingError`` the last checkpoint stays as it was: the network may have
        NaN in its running statistics by then.

        Args:
            on_step: called after every step.

        Raises:
            TrainingError: a loss or a gradient is not finite.
            DataError: a training picture cannot be read.
        """
        try:
            with (self.folder / METRICS).open("a", encoding="utf-8") as log:
                for metrics in self._steps():
                    log.write(json.dumps(asdict(metrics)) + "\n")
                    log.flush()
                    on_step(metrics)
                    if self.step % self.config.checkpoint_every == 0:
                        self.save()
        except TrainingError:
            raise
        except BaseException:
            self.save()
            raise
        self.save()

    def _steps(self) -> Iterator[StepMetrics]:
        loader = DataLoader(
            self.batches,
            batch_size=None,
            sampler=range(self.step, self.config.steps),
            num_workers=1,
            prefetch_factor=4,
        )
        self.network.train()
        # the trunk keeps ImageNet's statistics: a batch is too small for better ones
        for module in self.network.trunk.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        for batch in loader:
            started = time.perf_counter()
            metrics = self._learn(batch, started)
            self.step += 1
            yield metrics

    def _learn(self, batch: Batch, started: float) -> StepMetrics:
        """One step of gradient descent on one batch."""
        config, step = self.config, self.step
        peaks = (config.trunk_learning_rate, config.learning_rate)
        for group, peak in zip(self.optimizer.param_groups, peaks, strict=True):
            group["lr"] = peak * config.learning_rate_factor(step)
        class_weight = config.class_weight_at(step)
        generator = torch.Generator().manual_seed(hash((config.seed, step)) & 0xFFFFFFFF)
        pixels = batch.pixels.float().contiguous(memory_format=torch.channels_last)
        features = self.network.features(pixels)
        embeddings, logits = self.network.heads(features, batch.centres)

        # pixels as rows: in channels-last memory these are views, and so are their gradients
        embedding_rows = embeddings.permute(0, 2, 3, 1).flatten(1, 2)  # [B, N, D]
        logit_rows = logits.permute(0, 3, 4, 1, 2).flatten(1, 2)  # [B, N, T, C+1]
        points = [
            draw_points(
                labels,
                per_instance=config.points_per_instance,
                in_background=config.points_in_background,
                generator=generator,
            )
            for labels in batch.labels
        ]
        picture = torch.cat([torch.full_like(p.index, i) for i, p in enumerate(points)])
        where = (picture, torch.cat([p.index for p in points]))
        all_drawn = embedding_rows[where]
        drawn = all_drawn.split([len(p.index) for p in points])

        metrics = [
            embedding_loss(rows, p, size_exponent=config.size_exponent)
            for rows, p in zip(drawn, points, strict=True)
            if len(rows)
        ]
        # a batch of nothing but void teaches nothing
        metric = torch.stack(metrics).mean() if metrics else all_drawn.sum()
        targets = torch.cat(
            [
                seed_targets(
                    rows, pixels, labels, classes, self.model_config.taus, good_iou=config.good_iou
                )
                for rows, pixels, labels, classes in zip(
                    drawn, embedding_rows, batch.labels, batch.class_of_object, strict=True
                )
            ]
        )
        seeds = classification_loss(logit_rows[where], targets)
        good = targets[torch.cat([p.instance for p in points]) > 0] > 0
        semantics = torch.stack(
            [
                semantic_loss(picture_logits, labels, classes)
                for picture_logits, labels, classes in zip(
                    self.network.semantic_head(features),
                    batch.labels,
                    batch.class_of_object,
                    strict=True,
                )
            ]
        ).mean()
        loss = metric + class_weight * seeds + config.semantic_weight * semantics
        if not torch.isfinite(loss):
            raise TrainingError(
                f"loss is {loss.item()} at step {step} (embedding {metric.item()}, "
                f"classification {seeds.item()}, semantic {semantics.item()}); {REMEDY}"
            )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), config.clip_norm)
        if not torch.isfinite(norm):
            raise TrainingError(f"gradient norm is {norm.item()} at step {step}; {REMEDY}")
        self.optimizer.step()
        return StepMetrics(
            step=step,
            loss=loss.item(),
            embedding_loss=metric.item(),
            classification_loss=seeds.item(),
            semantic_loss=semantics.item(),
            good_seeds=float(good.sum() / max(good.numel(), 1)),
            gradient_norm=float(norm),
            seconds=time.perf_counter() - started,
        )

    def save(self) -> None:
        """Write the checkpoint; a kill at any moment leaves the old or the new one."""
        checkpoint = Checkpoint(
            network=self.network.state_dict(),
            optimizer=self.optimizer.state_dict(),
            step=self.step,
            model_config=self.model_config,
            train_config_json=self.config.to_json(),
            image_ids=self.image_ids,
        )
        partial = self.folder / (CHECKPOINT + ".partial")
        save_checkpoint(partial, checkpoint)
        os.replace(partial, self.folder / CHECKPOINT)

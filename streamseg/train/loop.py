"""The training loop: batches in, checkpoints and a log of losses out."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from streamseg.config import ModelConfig
from streamseg.datasets import InstanceDataset
from streamseg.errors import ConfigError, ModelError, TrainingError
from streamseg.model.network import Network
from streamseg.model.trunks import freeze_early
from streamseg.model.weights import (
    Checkpoint,
    load_checkpoint,
    misfit,
    network_from,
    save_checkpoint,
)
from streamseg.train.averaging import WeightAverage
from streamseg.train.config import TrainConfig
from streamseg.train.data import Batch, BatchStream
from streamseg.train.device import choose_device, choose_precision, is_out_of_memory
from streamseg.train.interrupts import held_back
from streamseg.train.loader import load_batches, worker_count
from streamseg.train.malloc import keep_freed_memory
from streamseg.train.metrics import StepMetrics, open_log
from streamseg.train.processes import Processes
from streamseg.train.run_config import RunConfig
from streamseg.train.step import Losses, TrainingOutputs, batch_losses, draw_batch_points
from streamseg.whole_file import replaced

logger = logging.getLogger(__name__)

CHECKPOINT = "checkpoint.pt"
METRICS = "metrics.jsonl"
CONFIG = "config.toml"
REMEDY = "lower learning_rate and run again, which goes on from the last checkpoint"


class Trainer:
    """One run in one folder.

    ``checkpoint.pt`` is to go on from, ``config.toml`` holds all numbers, ``metrics.jsonl`` what
    happened. Of several processes each has a trainer with the same arguments, and the first one
    alone writes. They see the batches that one process would see; batch norms of neck and heads
    look at the whole batch on GPUs, and on CPUs, where torch cannot, at each process's share.
    """

    def __init__(
        self,
        datasets: Sequence[InstanceDataset],
        folder: Path,
        model_config: ModelConfig,
        config: TrainConfig,
        *,
        start_from: dict[str, Tensor] | None = None,
        processes: Processes | None = None,
    ) -> None:
        """Start a run, or go on with the one that ``folder`` holds.

        Args:
            datasets: all of them are learnt from together.
            folder: of the run; made if missing.
            model_config: of a new run; an old one keeps its own.
            config: may differ from an old run's, to prolong it.
            start_from: weights of a trained network to fine-tune, instead of ImageNet's.
            processes: those that train together; by default there is just this one.

        Raises:
            ConfigError: the run in ``folder`` is longer than ``config.steps`` already, there is
                no such device, or the processes cannot share the batch evenly.
            ModelError: the checkpoint in ``folder`` cannot be read, or the weights do not fit.
        """
        self.processes = processes or Processes()
        if config.batch_size % (self.processes.count * config.views):
            raise ConfigError(
                f"batch_size must be a multiple of the {self.processes.count} processes that "
                f"share it, times views, {config.views}; got {config.batch_size}"
            )
        self.device = choose_device(config.device, self.processes.local_rank)
        precision = choose_precision(config.mixed_precision, self.device)
        torch.manual_seed(config.seed)
        self.folder = folder
        self.config = config
        old = self.processes.from_first(self._last_checkpoint)
        if old and old.step > config.steps:
            raise ConfigError(
                f"{folder} has done {old.step} steps already, more than the {config.steps} of "
                f"train.steps; ask for more or choose another folder"
            )
        self.model_config = old.model_config if old else model_config
        if start_from and not old:
            self.network = network_from(start_from, model_config)
        else:
            self.network = Network(self.model_config, pretrained=old is None)
        freeze_early(self.network.trunk)
        if self.processes.count > 1 and self.device.type == "cuda":
            for name in ("neck", "embedding_head", "class_head"):
                part = nn.SyncBatchNorm.convert_sync_batchnorm(getattr(self.network, name))
                setattr(self.network, name, part)
        self.network.to(self.device).to(memory_format=torch.channels_last)
        self.optimizer = self._make_optimizer()
        self.average = WeightAverage(self.network, config.ema_decay) if config.ema_decay else None
        self.image_ids = [image_id for data in datasets for image_id in data.ids]
        self.step = 0
        if old:
            self._restore(old)
            logger.info("going on from step %d of %s", old.step, folder / CHECKPOINT)
        self.batches = BatchStream(
            datasets,
            self.model_config,
            config,
            process=self.processes.rank,
            processes=self.processes.count,
        )
        outputs = TrainingOutputs(self.network, precision)
        self.outputs = self.processes.share_gradients(outputs, self.device)
        if self.processes.is_first:
            folder.mkdir(parents=True, exist_ok=True)
            whole = RunConfig(self.model_config, config)
            (folder / CONFIG).write_text(whole.to_toml(), encoding="utf-8")

    def _last_checkpoint(self) -> Checkpoint | None:
        path = self.folder / CHECKPOINT
        return load_checkpoint(path) if path.exists() else None

    def _make_optimizer(self) -> torch.optim.Optimizer:
        """AdamW with a group each for the trunk and the rest; rates are set at every step."""
        trunk = [p for p in self.network.trunk.parameters() if p.requires_grad]
        rest = [*self.network.neck.parameters()]
        network = self.network
        for head in (network.embedding_head, network.class_head, network.semantic_head):
            rest.extend(head.parameters())
        groups = [{"params": trunk}, {"params": rest}]
        return torch.optim.AdamW(groups, weight_decay=self.config.weight_decay)

    def _restore(self, old: Checkpoint) -> None:
        """Take over weights and moments; the rates stay this run's own."""
        try:
            self.network.load_state_dict(old.network)
            self.optimizer.load_state_dict(old.optimizer)
        except (RuntimeError, ValueError, KeyError) as error:
            path = self.folder / CHECKPOINT
            raise ModelError(
                f"{path} does not fit its own configuration: {misfit(error)}"
            ) from error
        for group in self.optimizer.param_groups:
            group["weight_decay"] = self.config.weight_decay
        if self.average:
            self.average.load(old.average or old.network)
        self.step = old.step
        self.image_ids = sorted({*self.image_ids, *old.image_ids})

    def run(self, on_step: Callable[[StepMetrics], None]) -> None:
        """Learn until ``config.steps``; an interrupt or an error leaves a checkpoint.

        Only after a ``TrainingError`` the last checkpoint stays as it was: the network may have
        NaN in its running statistics by then. Ctrl-C ends the run after a whole step.

        Args:
            on_step: called after every step, in the first process only.

        Raises:
            TrainingError: a loss or a gradient is not finite, or memory ran out.
            DataError: a training picture cannot be read.
        """
        if self.device.type == "cpu":
            keep_freed_memory()
        alone = self.processes.count == 1  # torchrun passes a Ctrl-C on once more
        try:
            with held_back(once=alone) as interrupted:
                if self.processes.is_first:
                    self._run_and_write(on_step, interrupted)
                else:
                    for _ in self._steps(interrupted):
                        pass
        except TrainingError:
            raise
        except BaseException as error:
            if is_out_of_memory(error):
                cause = str(error).partition("\n")[0]
                raise TrainingError(
                    f"memory ran out at step {self.step} ({cause}); lower "
                    f"batch_size (now {self.config.batch_size}) or crop_size (now "
                    f"{self.config.crop_size}) and run again"
                ) from error
            self.save()
            raise
        self.save()

    def _run_and_write(
        self, on_step: Callable[[StepMetrics], None], interrupted: Callable[[], bool]
    ) -> None:
        with open_log(self.folder / METRICS, self.step) as log:
            for metrics in self._steps(interrupted):
                log.write(metrics.to_json() + "\n")
                log.flush()
                on_step(metrics)
                if self.step % self.config.checkpoint_every == 0:
                    self.save()

    def _steps(self, interrupted: Callable[[], bool]) -> Iterator[StepMetrics]:
        workers = worker_count(
            on_gpu=self.device.type == "cuda", local_count=self.processes.local_count
        )
        self.network.train()
        # the trunk keeps ImageNet's statistics: a batch is too small for better ones
        for module in self.network.trunk.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        asked = time.perf_counter()
        for batch in load_batches(self.batches, range(self.step, self.config.steps), workers):
            metrics, stop = self._learn(batch, asked, workers, interrupted)
            self.step += 1
            yield metrics
            if stop:
                raise KeyboardInterrupt
            asked = time.perf_counter()

    def _learn(
        self, batch: Batch, asked: float, workers: int, interrupted: Callable[[], bool]
    ) -> tuple[StepMetrics, bool]:
        """One step of gradient descent on one batch.

        Args:
            batch: this process's share.
            asked: when the batch was asked for.
            workers: that load batches.
            interrupted: whether this process was told to stop.

        Returns:
            What to log, and whether any process was told to stop.
        """
        started = time.perf_counter()
        config, step = self.config, self.step
        peaks = (config.trunk_learning_rate, config.learning_rate)
        for group, peak in zip(self.optimizer.param_groups, peaks, strict=True):
            group["lr"] = peak * config.learning_rate_factor(step)
        seed = (hash((config.seed, step)) + self.processes.rank) & 0xFFFFFFFF
        points = [p.to(self.device) for p in draw_batch_points(batch, config, seed)]
        here = batch.to(self.device)
        outputs = self.outputs(here.pixels, here.centres)
        losses = batch_losses(
            outputs, here, points, self.model_config.taus, config, step, self.processes
        )
        values, stop = self._over_all_processes(losses, interrupted)
        if not torch.isfinite(values[0]):
            raise TrainingError(
                f"loss is {values[0]} at step {step} (embedding {values[1]}, classification "
                f"{values[2]}, semantic {values[3]}) on pictures {self._guilty(losses, batch)}; "
                f"{REMEDY}"
            )
        self.optimizer.zero_grad(set_to_none=True)
        losses.total.backward()
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), config.clip_norm)
        if not torch.isfinite(norm):
            ids = ", ".join(self.processes.gather(batch.image_ids))
            raise TrainingError(
                f"gradient norm is {norm} at step {step} on pictures {ids}; {REMEDY}"
            )
        self.optimizer.step()
        if self.average:
            self.average.update(self.network, step)
        total, embedding, classification, semantic, good_seeds = values.tolist()
        done = time.perf_counter()
        return StepMetrics(
            step=step,
            loss=total,
            embedding_loss=embedding,
            classification_loss=classification,
            semantic_loss=semantic,
            good_seeds=good_seeds,
            gradient_norm=float(norm),
            seconds=done - started,
            waiting_seconds=started - asked,
            images_per_second=config.batch_size / (done - asked),
            loader_images_per_second=workers * config.batch_size / batch.seconds,
        ), stop

    def _over_all_processes(
        self, losses: Losses, interrupted: Callable[[], bool]
    ) -> tuple[Tensor, bool]:
        """Loss and its three parts and the share of good seeds; whether any was interrupted."""
        parts = (losses.total, losses.embedding, losses.classification, losses.semantic)
        scalars = (*(part.detach() / self.processes.count for part in parts), losses.good_seeds)
        own = torch.stack([*map(torch.Tensor.float, scalars), losses.possible_seeds.float()])
        told = own.new_tensor([float(interrupted())])
        *means, good, possible, stop = self.processes.sum(torch.cat([own, told])).cpu()
        return torch.stack([*means, good / possible.clamp(min=1)]), bool(stop)

    def _guilty(self, losses: Losses, batch: Batch) -> str:
        """The pictures of those processes whose loss is not finite."""
        finite = bool(torch.isfinite(losses.total))
        return ", ".join(self.processes.gather([] if finite else batch.image_ids))

    def weights(self) -> dict[str, Tensor]:
        """What the run has learnt, on the CPU: the moving average where there is one."""
        tensors = self.average.tensors if self.average else self.network.state_dict()
        return {name: tensor.detach().cpu() for name, tensor in tensors.items()}

    def save(self) -> None:
        """Write the checkpoint; a kill at any moment leaves the old or the new one."""
        if not self.processes.is_first:
            return
        checkpoint = Checkpoint(
            network=self.network.state_dict(),
            optimizer=self.optimizer.state_dict(),
            step=self.step,
            model_config=self.model_config,
            train_config_json=self.config.to_json(),
            image_ids=self.image_ids,
            average=self.average.tensors if self.average else None,
        )
        with replaced(self.folder / CHECKPOINT) as partial:
            save_checkpoint(partial, checkpoint)

"""The training loop, which writes checkpoints and a log of losses."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from streamseg.config import ModelConfig
from streamseg.datasets import InstanceDataset
from streamseg.errors import ConfigError, ModelError, TrainingError
from streamseg.interrupts import defer_signals, raise_deferred
from streamseg.model.network import Network
from streamseg.model.picodet import SIZES
from streamseg.model.published import load_published
from streamseg.model.weights import Checkpoint, network_from
from streamseg.train.config import TrainConfig
from streamseg.train.data import BatchStream
from streamseg.train.device import is_out_of_memory
from streamseg.train.learner import Learner
from streamseg.train.loader import load_batches, worker_count
from streamseg.train.malloc import keep_freed_memory
from streamseg.train.metrics import StepMetrics, open_log
from streamseg.train.processes import Processes
from streamseg.train.run_config import RunConfig
from streamseg.train.run_folder import (
    CHECKPOINT,
    METRICS,
    last_checkpoint,
    write_checkpoint,
    write_config,
)
from streamseg.train.validation import Validation, ValidationResult

logger = logging.getLogger(__name__)


class Trainer:
    """One run in one folder.

    ``checkpoint.pt`` holds what resuming needs, ``config.toml`` all settings, ``metrics.jsonl`` a
    line per step and ``validation.jsonl`` a line per validation. Each process has a trainer with
    the same arguments; only the first one writes. Together they see the batches that one process
    would see. On GPUs the batch norms of neck and heads use the statistics of the whole batch, on
    CPUs, where torch cannot, those of each process's share.
    """

    def __init__(
        self,
        datasets: Sequence[InstanceDataset],
        folder: Path,
        model_config: ModelConfig,
        config: TrainConfig,
        *,
        classes: Mapping[str, str] | None = None,
        validation_data: InstanceDataset | None = None,
        start_from: dict[str, Tensor] | None = None,
        processes: Processes | None = None,
    ) -> None:
        """Start a run, or resume the one in ``folder``.

        Args:
            datasets: all of them are trained on together.
            folder: of the run; made if missing.
            model_config: of a new run; an old one keeps its own.
            config: may differ from an old run's, to prolong it.
            classes: the user's table that ``datasets`` were read with, to be remembered.
            validation_data: scored at every checkpoint, see ``validation_images``.
            start_from: weights of a trained network to fine-tune, instead of those of
                ``build_trunk`` or ``trunk_weights``.
            processes: those that train together; by default there is just this one.

        Raises:
            ConfigError: the run in ``folder`` is longer than ``config.steps`` already, there is
                no such device, or the processes cannot share the batch evenly.
            ModelError: the checkpoint in ``folder`` cannot be read, or the weights do not fit.
            SinkError: ``folder`` cannot be made or written to.
        """
        self.processes = processes or Processes()
        if config.batch_size % self.processes.count:
            raise ConfigError(
                f"batch_size must be a multiple of the {self.processes.count} processes that "
                f"share it, got {config.batch_size}"
            )
        torch.manual_seed(config.seed)
        self.folder = folder
        self.config = config
        self.classes = dict(classes or {})
        old = self.processes.from_first(lambda: last_checkpoint(folder))
        if old and old.step > config.steps:
            raise ConfigError(
                f"{folder} has done {old.step} steps already, more than the {config.steps} of "
                f"train.steps; ask for more or choose another folder"
            )
        self.model_config = old.model_config if old else model_config
        if start_from and not old:
            network = network_from(start_from, model_config)
        else:
            network = Network(self.model_config, pretrained=old is None)
            if config.trunk_weights and not old:
                load_published(network.trunk, Path(config.trunk_weights))
            elif self.model_config.trunk in SIZES and not old:
                logger.warning(
                    "trunk %s starts from random weights: start from a model with --init, or name "
                    "published weights with train.trunk_weights",
                    self.model_config.trunk,
                )
        try:
            self.learner = Learner(network, config, self.processes, old)
        except ModelError as error:
            raise ModelError(f"{folder / CHECKPOINT} {error}") from error
        self.step = old.step if old else 0
        ids = [image_id for data in datasets for image_id in data.ids]
        self.image_ids = sorted({*ids, *(old.image_ids if old else ())})
        if old:
            logger.info("going on from step %d of %s", old.step, folder / CHECKPOINT)
        self.batches = BatchStream(
            datasets,
            self.model_config,
            config,
            process=self.processes.rank,
            processes=self.processes.count,
        )
        self.validates = bool(validation_data and config.validation_images)
        self.validation: Validation | None = None
        """Of the first process; None if nothing is validated."""
        if self.processes.is_first:
            if validation_data and config.validation_images:
                self.validation = Validation(
                    validation_data,
                    folder,
                    self.model_config,
                    images=config.validation_images,
                    patience=config.patience,
                    step=self.step,
                )
            write_config(folder, RunConfig(self.model_config, config, self.classes))

    def run(
        self,
        on_step: Callable[[StepMetrics], None],
        on_validation: Callable[[ValidationResult], None] = lambda _: None,
    ) -> None:
        """Train until ``config.steps``, or until validations stay without a better score.

        An interrupt or an error saves a checkpoint.

        After a ``TrainingError`` the last checkpoint is kept: the running statistics may hold NaN.
        Ctrl-C, SIGTERM and SIGHUP end the run after a whole step; the last two are then raised
        again.

        Args:
            on_step: called after every step, in the first process only.
            on_validation: called after every validation, likewise.

        Raises:
            TrainingError: a loss or a gradient is not finite, or memory ran out.
            DataError: a training image cannot be read.
        """
        if self.learner.device.type == "cpu":
            keep_freed_memory()
        alone = self.processes.count == 1  # torchrun passes a Ctrl-C on once more
        try:
            with defer_signals(once=alone) as signal_that_came:

                def interrupted() -> bool:
                    return signal_that_came() is not None

                if self.processes.is_first:
                    self._run_and_write(on_step, on_validation, interrupted)
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
                    f"batch_size (now {self.config.batch_size}) or crop_sizes (now "
                    f"{self.config.crop_sizes}) and run again"
                ) from error
            self.save()
            number = signal_that_came()
            if number and isinstance(error, KeyboardInterrupt):
                raise_deferred(number)
            raise
        self.save()

    def _run_and_write(
        self,
        on_step: Callable[[StepMetrics], None],
        on_validation: Callable[[ValidationResult], None],
        interrupted: Callable[[], bool],
    ) -> None:
        with open_log(self.folder / METRICS, self.step) as log:
            for metrics in self._steps(interrupted):
                log.write(metrics.to_json() + "\n")
                log.flush()
                on_step(metrics)
                if self.is_checkpoint:
                    self.save()
                    if self.validation and not interrupted():
                        on_validation(self.validation.run(self.learner.weights(), self.step))

    @property
    def is_checkpoint(self) -> bool:
        """Whether a checkpoint is written, and the weights validated, after the last step."""
        return self.step % self.config.checkpoint_every == 0 or self.step == self.config.steps

    def _is_over(self) -> bool:
        """Whether the first process found that the run learns no more; all of them must ask."""
        if not (self.validates and self.config.patience and self.is_checkpoint):
            return False
        return self.processes.from_first(lambda: bool(self.validation and self.validation.is_over))

    def best_weights(self) -> tuple[dict[str, Tensor], int]:
        """The weights to export, and the step of them: the best, or without validation the last.

        Raises:
            ModelError: the file of the best ones cannot be read.
        """
        best = self.validation.best_weights() if self.validation else None
        return best or (self.learner.weights(), self.step)

    def _steps(self, interrupted: Callable[[], bool]) -> Iterator[StepMetrics]:
        workers = worker_count(
            on_gpu=self.learner.device.type == "cuda", local_count=self.processes.local_count
        )
        if self._is_over():
            return
        self.learner.start()
        asked = time.perf_counter()
        for batch in load_batches(self.batches, range(self.step, self.config.steps), workers):
            started = time.perf_counter()
            losses, stop = self.learner.learn(batch, self.step, interrupted)
            done = time.perf_counter()
            images = len(batch.image_ids) * self.processes.count
            metrics = StepMetrics(
                **asdict(losses),
                seconds=done - started,
                waiting_seconds=started - asked,
                images_per_second=images / (done - asked),
                loader_images_per_second=workers * images / batch.seconds,
            )
            self.step += 1
            yield metrics
            if stop:
                raise KeyboardInterrupt
            if self._is_over():
                return
            asked = time.perf_counter()

    def save(self) -> None:
        """Write the checkpoint atomically."""
        if not self.processes.is_first:
            return
        checkpoint = Checkpoint(
            network=self.learner.network.state_dict(),
            optimizer=self.learner.optimizer.state_dict(),
            step=self.step,
            model_config=self.model_config,
            train_config_json=self.config.to_json(),
            image_ids=self.image_ids,
            classes=self.classes,
            average=self.learner.average.tensors if self.learner.average else None,
            teacher=self.learner.teacher.state_dict() if self.learner.teacher else None,
        )
        write_checkpoint(self.folder, checkpoint)

"""A network, its optimizer and its moving average: one step of gradient descent at a time."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import torch
from torch import Tensor, nn

from streamseg.errors import ConfigError, ModelError, TrainingError
from streamseg.model.network import Network
from streamseg.model.trunk import Trunk
from streamseg.model.weights import Checkpoint, short_load_error
from streamseg.train.averaging import WeightAverage
from streamseg.train.config import TrainConfig
from streamseg.train.data import Batch
from streamseg.train.device import choose_device, choose_precision
from streamseg.train.metrics import StepLosses
from streamseg.train.processes import Processes
from streamseg.train.step import Losses, TrainingOutputs, batch_losses, draw_batch_points

REMEDY = "lower learning_rate and run again: the run continues from the last checkpoint"


class Learner:
    """Trains a network on batches. Each process has a learner, all with the same weights."""

    def __init__(
        self, network: Network, config: TrainConfig, processes: Processes, old: Checkpoint | None
    ) -> None:
        """Prepare a network for training.

        Args:
            network: is moved to the device of the run.
            config: of the run.
            processes: those that train together.
            old: where an interrupted run stood; its weights replace the network's.

        Raises:
            ConfigError: there is no such device, or ``initial_trunk_share`` is set for a trunk
                whose initial weights are not kept.
            ModelError: ``old`` does not fit the network.
        """
        self.config = config
        self.processes = processes
        self.device = choose_device(config.device, processes.local_rank)
        precision = choose_precision(config.mixed_precision, self.device)
        self.network = network
        self.model_config = network.config
        for parameter in network.trunk.early():
            parameter.requires_grad_(False)
        self._trunk = [p for p in network.trunk.parameters() if p.requires_grad]
        if processes.count > 1 and self.device.type == "cuda":
            for name in ("neck", "pixel_head"):
                part = nn.SyncBatchNorm.convert_sync_batchnorm(getattr(network, name))
                setattr(network, name, part)
        network.to(self.device).to(memory_format=torch.channels_last)
        self.optimizer = self._make_optimizer()
        self.average = WeightAverage(network, config.ema_decay) if config.ema_decay else None
        if old:
            self._restore(old)
        self.teacher = self._make_teacher(old)
        """The trunk as it was when the run began; None if nothing is distilled."""
        if config.initial_trunk_share and not self.teacher:
            raise ConfigError(
                "initial_trunk_share needs a trunk that detects and a distillation_weight above 0"
            )
        self._outputs = TrainingOutputs(network, precision, self.teacher)
        self._shared = processes.share_gradients(self._outputs, self.device)

    def _make_optimizer(self) -> torch.optim.Optimizer:
        """AdamW with a group each for the trunk and the rest; rates are set at every step."""
        of_trunk = {id(parameter) for parameter in self.network.trunk.parameters()}
        rest = [p for p in self.network.parameters() if id(p) not in of_trunk]
        groups = [{"params": self._trunk}, {"params": rest}]
        return torch.optim.AdamW(groups, weight_decay=self.config.weight_decay)

    def _make_teacher(self, old: Checkpoint | None) -> Trunk | None:
        if not (self.network.trunk.detects and self.config.distillation_weight):
            return None
        teacher = deepcopy(self.network.trunk).eval().requires_grad_(False)
        if old and old.teacher:
            teacher.load_state_dict(old.teacher)
        return teacher

    def _restore(self, old: Checkpoint) -> None:
        """Load weights and optimizer state; the learning rates stay those of this run."""
        try:
            self.network.load_state_dict(old.network)
            self.optimizer.load_state_dict(old.optimizer)
        except (RuntimeError, ValueError, KeyError) as error:
            reason = short_load_error(error)
            raise ModelError(f"does not fit its own configuration: {reason}") from error
        for group in self.optimizer.param_groups:
            group["weight_decay"] = self.config.weight_decay
        if self.average:
            self.average.load(old.average or old.network)

    def start(self) -> None:
        """Set training mode before the first step of a run."""
        self.network.train()
        # the trunk keeps the statistics that it starts with: a batch is too small for better ones
        for module in self.network.trunk.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()

    def learn(
        self, batch: Batch, step: int, interrupted: Callable[[], bool]
    ) -> tuple[StepLosses, bool]:
        """Take one step of gradient descent on one batch.

        Args:
            batch: this process's share.
            step: its number, which sets learning rates, λ and the random seed.
            interrupted: whether this process was told to stop.

        Returns:
            Losses of the step, and whether any process was told to stop.

        Raises:
            TrainingError: the loss or the gradient is not finite.
        """
        config = self.config
        self._set_trunk_trainable(step >= config.trunk_start * config.steps)
        peaks = (config.trunk_learning_rate, config.learning_rate)
        for group, peak in zip(self.optimizer.param_groups, peaks, strict=True):
            group["lr"] = peak * config.learning_rate_factor(step)
        seed = (hash((config.seed, step)) + self.processes.rank) & 0xFFFFFFFF
        points = [p.to(self.device) for p in draw_batch_points(batch, config, seed)]
        here = batch.to(self.device)
        outputs = self._shared(here.pixels, here.centres)
        losses = batch_losses(
            outputs, here, points, self.model_config.taus, config, step, self.processes
        )
        values, stop = self._over_all_processes(losses, interrupted)
        if not torch.isfinite(values[0]):
            raise TrainingError(
                f"loss is {values[0]} at step {step} (embedding {values[1]}, classification "
                f"{values[2]}, semantic {values[3]}, masks {values[4]}, distillation "
                f"{values[5]}) on images {self._images_with_bad_loss(losses, batch)}; {REMEDY}"
            )
        self.optimizer.zero_grad(set_to_none=True)
        losses.total.backward()
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), config.clip_norm)
        if not torch.isfinite(norm):
            ids = ", ".join(self.processes.gather(batch.image_ids))
            raise TrainingError(f"gradient norm is {norm} at step {step} on images {ids}; {REMEDY}")
        self.optimizer.step()
        if self.average:
            self.average.update(self.network, step)
        return StepLosses(*[step, *values.tolist(), float(norm)]), stop

    def _set_trunk_trainable(self, trainable: bool) -> None:
        """Freeze or unfreeze the trunk; a frozen trunk needs no backward pass."""
        if self._trunk and self._trunk[0].requires_grad != trainable:
            for parameter in self._trunk:
                parameter.requires_grad_(trainable)
                parameter.grad = None
            self._shared = self.processes.share_gradients(self._outputs, self.device)

    def _over_all_processes(
        self, losses: Losses, interrupted: Callable[[], bool]
    ) -> tuple[Tensor, bool]:
        """Loss and its five parts and the share of good seeds; whether any was interrupted."""
        parts = [losses.total, losses.embedding, losses.classification, losses.semantic]
        parts += [losses.masks, losses.distillation]
        means = [part.detach() / self.processes.count for part in parts]
        counts = [losses.good_seeds.float(), losses.possible_seeds.float()]
        own = torch.stack([*means, *counts])
        told = own.new_tensor([float(interrupted())])
        *values, good, possible, stop = self.processes.sum(torch.cat([own, told])).cpu()
        return torch.stack([*values, good / possible.clamp(min=1)]), bool(stop)

    def _images_with_bad_loss(self, losses: Losses, batch: Batch) -> str:
        """Ids of the images of the processes whose loss is not finite."""
        finite = bool(torch.isfinite(losses.total))
        return ", ".join(self.processes.gather([] if finite else batch.image_ids))

    def weights(self) -> dict[str, Tensor]:
        """The trained weights on the CPU: the moving average if there is one.

        The trunk is mixed with the initial one, see ``TrainConfig.initial_trunk_share``.
        """
        tensors = self.average.tensors if self.average else self.network.state_dict()
        weights = {name: tensor.detach().cpu() for name, tensor in tensors.items()}
        if self.teacher and self.config.initial_trunk_share:
            for name, initial in self.teacher.state_dict(prefix="trunk.").items():
                if initial.is_floating_point():
                    mixed = weights[name].lerp(initial.cpu(), self.config.initial_trunk_share)
                    weights[name] = mixed
        return weights

"""Phases of a training step: a clock that its functions switch, and a count of its operations."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from streamseg.train import step as step_module
from streamseg.train.averaging import WeightAverage

NETWORK, OPTIMIZER, AVERAGE, REST = "network", "optimizer", "weight average", "all else"
FUNCTIONS = {
    "embedding_loss": "embedding loss",
    "seed_targets": "seed targets",
    "soft_mask_loss": "mask loss",
    "classification_loss": "class losses",
    "semantic_loss": "class losses",
    "distillation_loss": "class losses",
}
"""Functions that ``streamseg.train.step`` calls, and the phase of each."""
PHASES = (
    NETWORK,
    *dict.fromkeys(FUNCTIONS.values()),
    *(f"{name}, backward" for name in ("embedding loss", "mask loss", "class losses", NETWORK)),
    OPTIMIZER,
    AVERAGE,
    REST,
)
COUNTED = PHASES[:-1]
"""``REST`` is not counted: it draws pixels, always on the CPU, and adds up losses."""
PAIRS = [phase for phase in PHASES if phase.startswith(("seed", "embedding", "mask"))]

_NO_KERNELS = {
    "_local_scalar_dense",
    "empty",
    "empty_like",
    "empty_strided",
    "new_empty",
    "new_empty_strided",
}
_INDEXING = {"index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index_put"}


class Phases:
    """A clock that runs for one phase at a time."""

    def __init__(self, device: torch.device) -> None:
        """Start with no phase."""
        self.now = REST
        self.seconds: dict[str, float] = defaultdict(float)
        self._device = device
        self._since = 0.0

    def enter(self, phase: str) -> None:
        """Count the time from now on for another phase."""
        now = clock(self._device)
        self.seconds[self.now] += now - self._since
        self.now, self._since = phase, now

    @contextmanager
    def step(self) -> Iterator[None]:
        """Time one step from zero."""
        self.enter(REST)
        self.seconds.clear()
        yield
        self.enter(REST)

    def timed(self, function: Callable[..., Any], phase: str) -> Callable[..., Any]:
        """Wrap a function to count its time for a phase, and its backward pass for another."""

        @wraps(function)
        def call(*arguments: Any, **options: Any) -> Any:
            outer = self.now
            self.enter(phase)
            result = function(*arguments, **options)
            self.enter(outer)
            if isinstance(result, Tensor) and result.requires_grad:
                result = _Mark.apply(result, self, f"{phase}, backward")
            return result

        return call


def clock(device: torch.device) -> float:
    """Seconds of CPU time of this process; for a GPU, of wall time once the GPU is idle."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        return time.perf_counter()
    return time.process_time()


class _Mark(torch.autograd.Function):
    """The identity; its backward pass switches the clock.

    Backward runs in reverse order of forward, so that one loss is done before the next begins.
    """

    @staticmethod
    def forward(context: Any, value: Tensor, phases: Phases, phase: str) -> Tensor:
        context.phases, context.phase = phases, phase
        return value.view_as(value)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Any:
        context.phases.enter(context.phase)
        return gradient, None, None


@contextmanager
def watched(phases: Phases) -> Iterator[None]:
    """Let the functions of a training step switch the clock."""
    forward = step_module.TrainingOutputs.forward

    def network(*arguments: Any) -> tuple[Tensor | None, ...]:
        outputs: tuple[Tensor | None, ...] = phases.timed(forward, NETWORK)(*arguments)
        for output in outputs:
            if output is not None and output.requires_grad:  # the teacher's has no gradient
                # runs when the gradient of this output is complete
                output.register_hook(lambda _: phases.enter(f"{NETWORK}, backward"))
        return outputs

    timed: dict[str, Any] = {
        name: phases.timed(getattr(step_module, name), phase) for name, phase in FUNCTIONS.items()
    }
    with (
        patch.multiple(step_module, **timed),
        patch.object(step_module.TrainingOutputs, "forward", network),
        patch.object(Tensor, "backward", phases.timed(Tensor.backward, REST)),
        patch.object(
            nn.utils, "clip_grad_norm_", phases.timed(nn.utils.clip_grad_norm_, OPTIMIZER)
        ),
        patch.object(torch.optim.AdamW, "step", phases.timed(torch.optim.AdamW.step, OPTIMIZER)),
        patch.object(WeightAverage, "update", phases.timed(WeightAverage.update, AVERAGE)),
    ):
        yield


@dataclass
class Work:
    """Sums over the operations of a phase."""

    launches: int = 0
    bytes: int = 0
    flops: int = 0
    waits: int = 0
    """Operations that make the CPU wait for the GPU, because it needs their result or its size."""


class Counted(TorchDispatchMode):
    """Counts every operation that is not just a view, for its phase."""

    def __init__(self, phases: Phases) -> None:
        """Start from zero."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.phases = phases
        self.work: dict[str, Work] = defaultdict(Work)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation and count it."""
        result = func(*args, **(kwargs or {}))
        returns = func._schema.returns
        is_view = returns and returns[0].alias_info and not returns[0].alias_info.is_write
        name = func.overloadpacket.__name__
        if is_view or name in _NO_KERNELS:
            return result
        work = self.work[self.phases.now]
        work.launches += 1
        is_masked = name in _INDEXING and any(
            isinstance(t, Tensor) and t.dtype == torch.bool for t in tree_leaves(args[1])
        )
        work.waits += is_masked or name in ("nonzero", "bincount")
        for tensor in tree_leaves((args, kwargs, result)):
            if isinstance(tensor, Tensor):
                # an expanded tensor is read many times, but from a cache: count it once
                size = tensor.numel() * tensor.element_size()
                work.bytes += min(size, tensor.untyped_storage().nbytes())
        if name == "convolution_backward":  # torch's own count ignores groups
            gradient, _, weight, *_, wanted = args
            work.flops += 2 * gradient.numel() * weight[0].numel() * sum(wanted[:2])
        elif func.overloadpacket in flop_registry:
            work.flops += flop_registry[func.overloadpacket](
                *args, **(kwargs or {}), out_val=result
            )
        return result

"""The processes that ``torchrun`` starts, on one machine or several; or the only one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn.parallel import DistributedDataParallel

from streamseg.errors import ConfigError, DataError, ModelError

T = TypeVar("T")


@dataclass(frozen=True)
class Processes:
    """This process among those that train one network together.

    Every method that exchanges something must be called by all of them.
    """

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    """Rank among those of the same machine."""
    local_count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and prints."""
        return self.rank == 0

    def sum(self, values: Tensor) -> Tensor:
        """Sum values over the processes."""
        if self.count > 1:
            values = values.clone()
            dist.all_reduce(values)
        return values

    def gather(self, names: list[str]) -> list[str]:
        """Concatenate the lists of all processes."""
        if self.count == 1:
            return names
        lists: list[list[str]] = [[]] * self.count
        dist.all_gather_object(lists, names)
        return [name for names in lists for name in names]

    def from_first(self, make: Callable[[], T]) -> T:
        """Call ``make`` in the first process; return its result or raise its error in all."""
        if self.count == 1:
            return make()
        made: list[Any] = [None]
        if self.is_first:
            try:
                made = [make()]
            except (ConfigError, DataError, ModelError) as error:
                made = [error]
        dist.broadcast_object_list(made)
        if isinstance(made[0], ConfigError | DataError | ModelError):
            raise made[0]
        result: T = made[0]
        return result

    def share_gradients(self, module: nn.Module, device: torch.device) -> nn.Module:
        """Average gradients over the processes, which start from the first one's weights."""
        if self.count == 1:
            return module
        devices = [device] if device.type == "cuda" else None
        return DistributedDataParallel(module, device_ids=devices)


@contextmanager
def started_by_torchrun() -> Iterator[Processes]:
    """Join the processes that ``torchrun`` started; without it there is just this one.

    GPUs communicate through NCCL, CPUs through gloo.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Processes()
        return
    processes = Processes(
        rank=int(os.environ["RANK"]),
        count=count,
        local_rank=int(os.environ["LOCAL_RANK"]),
        local_count=int(os.environ["LOCAL_WORLD_SIZE"]),
    )
    if processes.local_rank < torch.cuda.device_count():
        torch.cuda.set_device(processes.local_rank)
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield processes
    finally:
        dist.destroy_process_group()

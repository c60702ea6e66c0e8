"""Processes that prepare batches ahead of the step that needs them."""

from __future__ import annotations

import signal
from collections.abc import Iterator

from torch.utils.data import DataLoader, Dataset

from streamseg.cores import usable_cores
from streamseg.errors import DataError
from streamseg.train.data import Batch, BatchStream

PREFETCHED = 4
"""Batches that each process prefetches."""
CORES_PER_WORKER = 8
"""On the CPU, where a step takes ten times as long as its batch."""
MOST_WORKERS = 16


def worker_count(*, on_gpu: bool, local_count: int) -> int:
    """Choose the number of loading processes from the cores that this process may use.

    Args:
        on_gpu: steps run on a GPU and leave the cores free; only one is needed to drive it.
        local_count: training processes of this machine, which share the cores.
    """
    cores = usable_cores() // local_count
    return min(MOST_WORKERS, max(1, cores - 1 if on_gpu else cores // CORES_PER_WORKER))


def load_batches(stream: BatchStream, steps: range, workers: int) -> Iterator[Batch]:
    """The batches of some steps, in order.

    Raises:
        DataError: an image or a mask cannot be read; names the file.
    """
    loader: DataLoader[Batch | DataError] = DataLoader(
        _BatchesOrErrors(stream),
        batch_size=None,
        sampler=steps,
        num_workers=workers,
        prefetch_factor=PREFETCHED,
        worker_init_fn=_ignore_interrupts,
    )
    for item in loader:
        if isinstance(item, DataError):
            raise item
        yield item


class _BatchesOrErrors(Dataset[Batch | DataError]):
    """Batches, or the data's error as a value.

    An error that is raised in a worker would arrive wrapped into the worker's traceback.
    """

    def __init__(self, stream: BatchStream) -> None:
        self.stream = stream

    def __getitem__(self, step: int) -> Batch | DataError:
        try:
            return self.stream[step]
        except DataError as error:
            return error


def _ignore_interrupts(_worker: int) -> None:
    """Ignore signals that reach all processes of a terminal or a job.

    The trainer still needs a batch, and ends the loading itself.
    """
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)

"""Processes that prepare batches ahead of the step that needs them."""

from __future__ import annotations

import signal
from collections.abc import Iterator

from torch.utils.data import DataLoader, Dataset

from streamseg.cores import usable_cores
from streamseg.errors import DataError
from streamseg.train.data import Batch, BatchStream

PREFETCHED = 4
"""Batches that each process is ahead."""
CORES_PER_WORKER = 8
"""Of a step on the CPU, which is ten times as dear as its batch."""
MOST_WORKERS = 16


def worker_count(*, on_gpu: bool, local_count: int) -> int:
    """How many processes load, by the cores that this process may use.

    Args:
        on_gpu: steps run on a GPU and leave the cores free; only one is needed to drive it.
        local_count: training processes of this machine, which share the cores.
    """
    cores = usable_cores() // local_count
    return min(MOST_WORKERS, max(1, cores - 1 if on_gpu else cores // CORES_PER_WORKER))


def load_batches(stream: BatchStream, steps: range, workers: int) -> Iterator[Batch]:
    """The batches of some steps, in order.

    Raises:
        DataError: a picture or a mask cannot be read; names the file.
    """
    loader: DataLoader[Batch | DataError] = DataLoader(
        _Answers(stream),
        batch_size=None,
        sampler=steps,
        num_workers=workers,
        prefetch_factor=PREFETCHED,
        worker_init_fn=_leave_interrupts_to_the_trainer,
    )
    for answer in loader:
        if isinstance(answer, DataError):
            raise answer
        yield answer


class _Answers(Dataset[Batch | DataError]):
    """Batches, or what is wrong with the data.

    An error that is raised in a worker would arrive wrapped into the worker's traceback.
    """

    def __init__(self, stream: BatchStream) -> None:
        self.stream = stream

    def __getitem__(self, step: int) -> Batch | DataError:
        try:
            return self.stream[step]
        except DataError as error:
            return error


def _leave_interrupts_to_the_trainer(_worker: int) -> None:
    """Ctrl-C reaches every process of a terminal; the trainer still needs a batch then."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

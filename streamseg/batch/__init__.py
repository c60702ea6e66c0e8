"""Archives of recordings on all cores of a machine, or on a cluster, with Ray."""

from streamseg.batch.dataset import segment_dataset
from streamseg.batch.progress import BatchSummary, Failure, Progress, Running
from streamseg.batch.runner import run

__all__ = ["BatchSummary", "Failure", "Progress", "Running", "run", "segment_dataset"]

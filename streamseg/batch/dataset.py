"""Segmentation as a step of a pipeline on Ray Data."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from streamseg.batch.files import local_copy, place_of
from streamseg.batch.job import Job, portable_model, sources_of
from streamseg.batch.shares import Shares
from streamseg.classes import Classes
from streamseg.errors import ConfigError, MissingExtraError
from streamseg.formats.parquet import rows_of, schema
from streamseg.video.options import SourceOptions

if TYPE_CHECKING:
    import pyarrow
    from ray.data import Dataset

INSTANCES: Final = "instances"
"""The column that ``segment_dataset`` adds to images."""
_OF_FRAME = frozenset({"index", "pts_seconds", "source", "source_index"})
_ROWS_PER_TABLE = 8192


def segment_dataset(
    dataset: Dataset,
    *,
    images: str | None = None,
    recordings: str | None = None,
    model: str | os.PathLike[str] | None = None,
    size: tuple[int, int] | None = None,
    max_pixels: int | None = None,
    min_score: float | None = None,
    classes: Classes | None = None,
    runtime: str = "auto",
    topic: str | None = None,
    options: SourceOptions | None = None,
    workers: int = 1,
    cpus: float = 1.0,
    gpus: float | None = None,
    batch_size: int = 8,
) -> Dataset:
    """Segment the images of a Ray data set, or the recordings that it names.

    Exactly one of ``images`` and ``recordings`` is given. Like every step of Ray Data it runs when
    the result is read.

    Args:
        dataset: as of ``ray.data.read_images`` or ``ray.data.from_items``.
        images: column of RGB images, uint8 [H, W, 3]. The column ``instances`` is added to it: a
            list for each image, of instances with the columns of a Parquet file but ``index``,
            ``pts_seconds``, ``source`` and ``source_index``. Names do not last from image to image.
        recordings: column of paths and URLs, of videos, drive recordings or folders of images,
            each on a machine of the cluster or in an object store. The result has the rows of the
            Parquet files that ``run`` writes: one for each instance, other columns are dropped.
        model: see ``load``, as for the next five.
        size: see ``load``.
        max_pixels: see ``load``.
        min_score: see ``load``.
        classes: see ``load``.
        runtime: see ``load``; ``auto`` takes a GPU only where a worker has a share of one.
        topic: camera topic of MCAP files and ROS bags; by default the only one.
        options: how recordings are opened.
        workers: how many actors, each with a loaded model.
        cpus: share of each worker, in cores; it uses as many threads.
        gpus: share of each worker, in GPUs; see ``run``.
        batch_size: number of images that a worker is given at once.

    Returns:
        The data set with this step added.

    Raises:
        ConfigError: both columns are named or none, or a value is out of range.
        MissingExtraError: Ray Data is not installed.
    """
    if (images is None) == (recordings is None):
        raise ConfigError("name either the column of images or that of recordings")
    for name, value in (("workers", workers), ("batch_size", batch_size)):
        if value < 1:
            raise ConfigError(f"{name} must be at least 1, got {value}")
    try:
        from ray.data import ActorPoolStrategy
    except ImportError as error:
        raise MissingExtraError("ray[data]", "batch") from error
    shares = Shares.of(runtime, cpus, gpus)
    job = Job(
        topics=() if topic is None else (topic,),
        model=portable_model(model),
        size=size,
        max_pixels=max_pixels,
        min_score=min_score,
        classes=classes,
        runtime=runtime,
        source_options=options or SourceOptions(),
    )
    segmenter = ImageSegmenter if recordings is None else RecordingSegmenter
    return dataset.map_batches(
        segmenter,
        fn_constructor_kwargs={"column": images or recordings, "job": job, "shares": shares},
        batch_size=batch_size if recordings is None else 1,
        batch_format="pyarrow",
        compute=ActorPoolStrategy(size=workers),
        num_cpus=shares.cpus,
        num_gpus=shares.gpus,
    )


class ImageSegmenter:
    """Adds the instances to images."""

    def __init__(self, column: str, job: Job, shares: Shares) -> None:
        """Load the model."""
        self._column = column
        self._segmenter = job.load(shares)

    def __call__(self, batch: pyarrow.Table) -> pyarrow.Table:
        """Segment the images of a batch."""
        import pyarrow
        from ray.data.block import BlockAccessor

        fields = [field for field in schema(pyarrow) if field.name not in _OF_FRAME]
        names = [field.name for field in fields]
        images = BlockAccessor.for_block(batch.select([self._column])).to_numpy()[self._column]
        found = [
            [{name: row[name] for name in names} for row in rows_of(self._segmenter(image))]
            for image in images
        ]
        # strings as such: readers of nested columns seldom take dictionaries
        kind = pyarrow.struct(
            [
                pyarrow.field(field.name, pyarrow.string())
                if pyarrow.types.is_dictionary(field.type)
                else field
                for field in fields
            ]
        )
        return batch.append_column(INSTANCES, pyarrow.array(found, pyarrow.list_(kind)))


class RecordingSegmenter:
    """Turns recordings into rows of instances."""

    def __init__(self, column: str, job: Job, shares: Shares) -> None:
        """Load the model."""
        self._column, self._job = column, job
        self._segmenter = job.load(shares)
        self._options = replace(job.source_options, threads=shares.threads)

    def __call__(self, batch: pyarrow.Table) -> Iterator[pyarrow.Table]:
        """Segment the recordings of a batch."""
        import pyarrow

        columns = schema(pyarrow)
        for text in batch[self._column].to_pylist():
            place = place_of(text)
            rows: list[dict[str, Any]] = []
            with (
                local_copy(place) as path,
                self._segmenter.stream(
                    sources_of(path, self._job.topics), options=self._options
                ) as results,
            ):
                for result in results:
                    source = result.source.replace(str(path), place.shown)
                    rows += rows_of(replace(result, source=source))
                    if len(rows) >= _ROWS_PER_TABLE:
                        yield pyarrow.Table.from_pylist(rows, columns)
                        rows = []
            yield pyarrow.Table.from_pylist(rows, columns)

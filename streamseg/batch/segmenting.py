"""Segment a recording and write all formats, or segment a chunk and write its instances."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from streamseg.batch.chunk_files import ChunkReader, ChunkWriter
from streamseg.batch.job import Job, file_of, sources_of
from streamseg.batch.joining import ChunkReadingPipeline, ChunkWritingPipeline
from streamseg.batch.monitor import TaskMonitor
from streamseg.errors import SourceError, StreamsegError
from streamseg.formats.opening import open_writer
from streamseg.formats.video import VideoWriter
from streamseg.segmenter import Segmenter
from streamseg.streaming.stream import Stream
from streamseg.video.base import NoImageError
from streamseg.video.events import StreamEvent
from streamseg.video.options import SourceOptions

if TYPE_CHECKING:
    from streamseg.formats.writer import ResultWriter
    from streamseg.streaming.pipeline import Pipeline

logger = logging.getLogger(__name__)

MOST_NOTES: Final = 20
"""Warnings that are stored for a recording."""


class _SourceErrors:
    """Collect the errors that end sources.

    With several sources the stream logs an error and goes on.
    """

    def __init__(self) -> None:
        self.errors: list[StreamsegError] = []

    def note(self, event: StreamEvent) -> None:
        if event.error is not None:
            self.errors.append(event.error)


def write_results(
    segmenter: Segmenter,
    job: Job,
    options: SourceOptions,
    path: Path,
    source: str,
    folder: Path,
    monitor: TaskMonitor,
    chunks: ChunkReader | None = None,
) -> None:
    """Segment a recording, and write all formats; end early if the monitor is stopped.

    Args:
        segmenter: with the model.
        job: formats and topics.
        options: how to open the recording.
        path: of the recording on this machine.
        source: its name in the results.
        folder: where to write.
        monitor: counts the frames.
        chunks: reads the instances of its chunks; None to segment it.

    Raises:
        SourceError: it cannot be read.
        SinkError: something cannot be written.
    """
    pipeline: Pipeline = segmenter.open_pipeline()
    if chunks is not None:
        pipeline = ChunkReadingPipeline(pipeline, chunks)
    source_errors = _SourceErrors()
    sources = sources_of(path, job.topics)
    with (
        Stream(
            pipeline, segmenter.config, sources, options=options, on_event=source_errors.note
        ) as stream,
        ExitStack() as stack,
    ):
        opened = stream.opened
        if opened is not None and opened.is_live:
            raise SourceError(f"{source} has no end: it is not a recording")
        writers: list[ResultWriter] = []
        for name in job.formats:
            place = folder / file_of(name)
            if name == "video":
                writer: ResultWriter = VideoWriter(place, source=opened)
            else:
                writer = open_writer(name, place, segmenter.config.class_names)
            writers.append(stack.enter_context(writer))
        for result in monitor.results(stream, opened.frame_count if opened else None):
            named = replace(result, source=result.source.replace(str(path), source))
            for writer in writers:
                writer.write(named)
        if source_errors.errors and not monitor.is_stopped:
            raise source_errors.errors[0]
    if isinstance(pipeline, ChunkReadingPipeline) and pipeline.missing_count:
        logger.warning(
            "%s: frames that their chunks could not read, segmented while joining: %d",
            source,
            pipeline.missing_count,
        )


def write_chunk(
    segmenter: Segmenter,
    job: Job,
    options: SourceOptions,
    path: Path,
    file: Path,
    monitor: TaskMonitor,
) -> None:
    """Segment a chunk, and write its instances to a file; end early if the monitor is stopped.

    Args:
        segmenter: with the model.
        job: its topics.
        options: how to open the recording, with the chunk.
        path: of the recording on this machine.
        file: where to write.
        monitor: counts the frames.

    Raises:
        SourceError: the chunk cannot be read.
        SinkError: the file cannot be written.
    """
    sources = sources_of(path, job.topics)
    source_errors = _SourceErrors()
    with (
        ChunkWriter(file) as writer,
        Stream(
            ChunkWritingPipeline(segmenter.open_pipeline(), writer),
            segmenter.config,
            # a list: a single source would be opened, and raise NoImageError, before the try block
            [sources] if isinstance(sources, str) else sources,
            options=options,
            on_event=source_errors.note,
        ) as stream,
    ):
        try:
            expected = options.chunk.frame_count if options.chunk else None
            for _ in monitor.results(stream, expected):
                pass
        except NoImageError:
            pass  # a chunk may have no images; other errors are raised below
    # if the whole recording has no images, joining its chunks raises the error
    errors = [error for error in source_errors.errors if not isinstance(error, NoImageError)]
    if errors and not monitor.is_stopped:
        raise errors[0]


@contextmanager
def collected_warnings() -> Iterator[list[str]]:
    """Collect the warnings that streamseg logs inside the ``with`` block, at most MOST_NOTES.

    Yields:
        The messages; the list grows.
    """
    notes: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if len(notes) < MOST_NOTES:
                notes.append(record.getMessage())

    package, collector = logging.getLogger("streamseg"), Collector(logging.WARNING)
    package.addHandler(collector)
    try:
        yield notes
    finally:
        package.removeHandler(collector)

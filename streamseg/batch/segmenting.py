"""Segment a recording and write all formats, or segment a chunk and keep its instances."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from streamseg.batch.chunk_files import ChunkWriter, KeptInstances
from streamseg.batch.job import Job, file_of, sources_of
from streamseg.batch.joining import JoiningPipeline, KeepingPipeline
from streamseg.batch.watch import Watch
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
"""Warnings that are kept of a recording."""


class _Lost:
    """The errors that end sources: with several cameras, one ends in silence."""

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
    watch: Watch,
    kept: KeptInstances | None = None,
) -> None:
    """Segment a recording, and write all formats; ends early where the watch is stopped.

    Args:
        segmenter: with the model.
        job: formats and topics.
        options: how to open the recording.
        path: of the recording on this machine.
        source: its name in the results.
        folder: where to write.
        watch: counts the frames.
        kept: the instances of its chunks; None to segment it.

    Raises:
        SourceError: it cannot be read.
        SinkError: something cannot be written.
    """
    pipeline: Pipeline = segmenter.open_pipeline()
    if kept is not None:
        pipeline = JoiningPipeline(pipeline, kept)
    lost = _Lost()
    sources = sources_of(path, job.topics)
    with (
        Stream(pipeline, segmenter.config, sources, options=options, on_event=lost.note) as stream,
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
        for result in watch.results(stream, opened.frame_count if opened else None):
            named = replace(result, source=result.source.replace(str(path), source))
            for writer in writers:
                writer.write(named)
        if lost.errors and not watch.is_stopped:
            raise lost.errors[0]
    if isinstance(pipeline, JoiningPipeline) and pipeline.lacking:
        logger.warning(
            "%s: %d frames could not be read in their chunks, and were segmented when these were "
            "joined",
            source,
            pipeline.lacking,
        )


def keep_instances(
    segmenter: Segmenter, job: Job, options: SourceOptions, path: Path, file: Path, watch: Watch
) -> None:
    """Segment a chunk, and write its instances to a file; ends early where the watch is stopped.

    Args:
        segmenter: with the model.
        job: its topics.
        options: how to open the recording, with the chunk.
        path: of the recording on this machine.
        file: where to write.
        watch: counts the frames.

    Raises:
        SourceError: the chunk cannot be read.
        SinkError: the file cannot be written.
    """
    sources = sources_of(path, job.topics)
    lost = _Lost()
    with (
        ChunkWriter(file) as writer,
        Stream(
            KeepingPipeline(segmenter.open_pipeline(), writer),
            segmenter.config,
            [sources] if isinstance(sources, str) else sources,
            options=options,
            on_event=lost.note,
        ) as stream,
    ):
        try:
            expected = options.chunk.frame_count if options.chunk else None
            for _ in watch.results(stream, expected):
                pass
        except NoImageError:
            pass  # it is also among the errors that are looked at below
    # a chunk may lack images; if the whole recording does, that shows when the chunks are joined
    errors = [error for error in lost.errors if not isinstance(error, NoImageError)]
    if errors and not watch.is_stopped:
        raise errors[0]


@contextmanager
def collected_warnings() -> Iterator[list[str]]:
    """The warnings that streamseg logs meanwhile, as about damaged parts of a video."""
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

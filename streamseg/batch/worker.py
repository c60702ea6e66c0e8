"""A worker: one loaded segmenter in a process of its own, which Ray starts somewhere."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Final, Literal

from streamseg.batch.files import content_hash, local_copy, sweep_temporary
from streamseg.batch.inputs import Recording, find_recordings
from streamseg.batch.job import VERSION, Job, file_of, sources_of
from streamseg.batch.shares import Shares
from streamseg.batch.store import Entry, Store
from streamseg.errors import ConfigError, SourceError, StreamsegError
from streamseg.formats.opening import open_writer
from streamseg.formats.video import VideoWriter

if TYPE_CHECKING:
    from streamseg.formats.writer import ResultWriter
    from streamseg.segmenter import Segmenter
    from streamseg.streaming.stream import Stream
    from streamseg.video.events import StreamEvent

MOST_NOTES: Final = 20
"""Warnings that are kept of a recording."""


@dataclass(frozen=True)
class Outcome:
    """What became of a recording."""

    state: Literal["done", "unchanged", "failed", "stopped"]
    """``unchanged``: only the date of the file was new, not its content."""
    frames: int = 0
    error: str = ""


class Worker:
    """Segments recordings one by one; two threads may call it, one of them ``segment``."""

    def __init__(self, job: Job, store: Store, model_sha256: str, shares: Shares) -> None:
        """Get ready; nothing is loaded yet.

        Args:
            job: what to do.
            store: where the results go.
            model_sha256: of the model.
            shares: what Ray has reserved for it.
        """
        self._job, self._store, self._model_sha256 = job, store, model_sha256
        self._shares = shares
        self._options = job.options()
        self._source_options = replace(job.source_options, threads=shares.threads)
        self._segmenter: Segmenter | None = None
        self._stream: Stream | None = None
        self._stopping = Event()
        self._frames, self._expected = 0, 0

    def prepare(self, version: str) -> str:
        """Load the model.

        Args:
            version: of streamseg where the run was started.

        Returns:
            What runs where, for people.

        Raises:
            StreamsegError: those of ``streamseg.load``; or the versions differ.
        """
        if version != VERSION:
            raise ConfigError(f"workers have streamseg {VERSION}, and the run is of {version}")
        sweep_temporary()
        self._segmenter = self._job.load(self._shares)
        return self._segmenter.runtime.description

    def segment(self, recording: Recording, entry: Entry | None) -> Outcome:
        """Segment a recording, and let its results appear.

        Args:
            recording: which.
            entry: of the results that are there.
        """
        self._frames, self._expected = 0, 0
        try:
            return self._segment(recording, entry)
        except StreamsegError as error:
            return Outcome("failed", error=str(error))
        except Exception as error:  # whatever it is, it concerns this recording only
            logging.getLogger(__name__).exception("%s", recording.source)
            return Outcome("failed", error=f"{type(error).__name__}: {error}")

    def progress(self) -> tuple[int, int]:
        """Frames done of the current recording, and of how many, 0 where that is not known."""
        return self._frames, self._expected

    def stop(self) -> None:
        """Give up the current recording, leaving nothing behind."""
        self._stopping.set()
        if (stream := self._stream) is not None:
            stream.stop()

    def _segment(self, recording: Recording, entry: Entry | None) -> Outcome:
        started = time.monotonic()
        with collected_warnings() as notes, local_copy(recording.place) as path:
            sha256 = content_hash(path)
            if (
                entry is not None
                and entry.is_of(self._model_sha256, self._options)
                and entry.sha256 == sha256
            ):
                seen = replace(entry, size=recording.size, version=recording.version)
                self._store.update(recording.name, seen)
                return Outcome("unchanged")
            with self._store.staging() as folder:
                try:
                    self._write(path, recording.source, folder)
                except StreamsegError as error:
                    reason = str(error).replace(str(path), recording.source)
                    return Outcome("failed", error=reason)
                if self._stopping.is_set():
                    return Outcome("stopped")
                if recording.place.is_local and content_changed(recording):
                    raise SourceError(f"{recording.source} changed while it was read")
                made = Entry(
                    source=recording.source,
                    size=recording.size,
                    version=recording.version,
                    sha256=sha256,
                    model_sha256=self._model_sha256,
                    options=self._options,
                    frames=self._frames,
                    seconds=round(time.monotonic() - started, 3),
                    notes=tuple(note.replace(str(path), recording.source) for note in notes),
                    streamseg_version=VERSION,
                )
                self._store.publish(folder, recording.name, made)
        return Outcome("done", frames=self._frames)

    def _write(self, path: Path, source: str, folder: Path) -> None:
        """Segment a file, and write all formats; ends early where ``stop`` is called."""
        assert self._segmenter is not None, "prepare comes first"
        lost: list[StreamsegError] = []  # of one of several cameras, which would end in silence

        def note(event: StreamEvent) -> None:
            if event.error is not None:
                lost.append(event.error)

        sources = sources_of(path, self._job.topics)
        options = self._source_options
        with self._segmenter.stream(sources, options=options, on_event=note) as results:
            self._stream = results
            opened = results.opened
            if opened is not None:
                if opened.is_live:
                    raise SourceError(f"{source} has no end: it is not a recording")
                self._expected = opened.frame_count or 0
            with ExitStack() as stack:
                writers: list[ResultWriter] = []
                for name in self._job.formats:
                    place = folder / file_of(name)
                    if name == "video":
                        writer: ResultWriter = VideoWriter(place, source=opened)
                    else:
                        writer = open_writer(name, place, self._segmenter.config.class_names)
                    writers.append(stack.enter_context(writer))
                for result in results:
                    if self._stopping.is_set():
                        return
                    named = replace(result, source=result.source.replace(str(path), source))
                    for writer in writers:
                        writer.write(named)
                    self._frames += 1
                if lost:
                    raise lost[0]


@contextmanager
def collected_warnings() -> Iterator[list[str]]:
    """The warnings that streamseg logs meanwhile, as about damaged parts of a video."""
    notes: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if len(notes) < MOST_NOTES:
                notes.append(record.getMessage())

    logger, collector = logging.getLogger("streamseg"), Collector(logging.WARNING)
    logger.addHandler(collector)
    try:
        yield notes
    finally:
        logger.removeHandler(collector)


def content_changed(recording: Recording) -> bool:
    """Whether a file or folder is another one than when it was found."""
    found = find_recordings([recording.place.path])
    # file systems of two processes are never equal
    now = {each.source: (each.size, each.version) for each in found}
    return now.get(recording.source) != (recording.size, recording.version)

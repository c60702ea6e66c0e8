"""A worker: one loaded segmenter in a process of its own, which Ray starts somewhere."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from streamseg.batch.chunk_files import ChunkReader
from streamseg.batch.entry import Entry
from streamseg.batch.files import content_hash, local_copy, sweep_temporary
from streamseg.batch.inputs import Recording, is_unchanged
from streamseg.batch.job import VERSION, Job
from streamseg.batch.monitor import TaskMonitor
from streamseg.batch.segmenting import collected_warnings, write_chunk, write_results
from streamseg.batch.shares import Shares
from streamseg.batch.store import Store
from streamseg.batch.tasks import Outcome
from streamseg.errors import ConfigError, SourceError, StreamsegError
from streamseg.video.chunks import Chunk
from streamseg.video.splitting import CannotSplitError, split

if TYPE_CHECKING:
    from streamseg.segmenter import Segmenter


class Worker:
    """Segments recordings and chunks one by one.

    Two threads may call it, one of them ``progress`` and ``stop`` only.
    """

    def __init__(self, job: Job, store: Store, model_sha256: str, shares: Shares) -> None:
        """Store the arguments; nothing is loaded yet.

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
        self._loaded: Segmenter | None = None
        self._monitor = TaskMonitor()
        self._copy = ExitStack()
        self._copied: tuple[tuple[str, int, str], Path] | None = None

    def prepare(self, version: str) -> str:
        """Load the model.

        Args:
            version: of streamseg where the run was started.

        Returns:
            Description of the runtime and its device, for display.

        Raises:
            StreamsegError: those of ``streamseg.load``; or the versions differ.
        """
        if version != VERSION:
            raise ConfigError(f"workers have streamseg {VERSION}, and the run is of {version}")
        sweep_temporary()
        self._loaded = self._job.load(self._shares)
        return self._loaded.runtime.description

    def segment(self, recording: Recording) -> Outcome:
        """Segment a recording and publish its results, or return the chunks it is split into."""
        return self._outcome(recording, lambda: self._segment(recording))

    def segment_chunk(self, recording: Recording, chunk: Chunk) -> Outcome:
        """Segment a chunk and store its instances until all chunks are joined.

        Args:
            recording: the recording.
            chunk: the part of it.
        """
        return self._outcome(recording, lambda: self._segment_chunk(recording, chunk))

    def join(
        self, recording: Recording, chunks: tuple[Chunk, ...], sha256: str, seconds: float
    ) -> Outcome:
        """Join the chunks of a recording and publish its results.

        Args:
            recording: the recording.
            chunks: all chunks of the recording.
            sha256: of the recording when it was split.
            seconds: that the chunks took.
        """
        return self._outcome(recording, lambda: self._join(recording, chunks, sha256, seconds))

    def progress(self) -> tuple[int, int]:
        """Return the frames done of the current task and their expected number, 0 if unknown."""
        return self._monitor.frames, self._monitor.expected

    def stop(self) -> None:
        """Give up the current task, leaving nothing behind."""
        self._monitor.stop()

    def release(self) -> None:
        """Delete the copy of the latest recording."""
        self._copied = None
        self._copy.close()

    def _outcome(self, recording: Recording, work: Callable[[], Outcome]) -> Outcome:
        self._monitor.begin()
        started = time.monotonic()
        try:
            self._check_same(recording)
            outcome = work()
        except StreamsegError as error:
            outcome = Outcome("failed", error=self._shown(recording, str(error)))
        except Exception as error:  # whatever it is, it concerns this recording only
            logging.getLogger(__name__).exception("%s", recording.source)
            outcome = Outcome("failed", error=f"{type(error).__name__}: {error}")
        if self._monitor.is_stopped:
            self.release()
        return replace(outcome, seconds=time.monotonic() - started)

    def _segment(self, recording: Recording) -> Outcome:
        started = time.monotonic()
        with collected_warnings() as notes:
            path = self._path(recording)
            sha256 = content_hash(path)
            if (made := self._published_entry(recording, sha256)) is not None:
                if made.has_seen(recording):  # a worker died just after it had written them
                    return Outcome("done", frames=made.frames)
                seen = replace(made, size=recording.size, version=recording.version)
                self._store.update(recording.name, seen)
                return Outcome("unchanged")
            not_split = ""
            if (seconds := self._job.chunk_seconds) is not None:
                try:
                    chunks = split(path, seconds, self._source_options, self._job.topics)
                except CannotSplitError as error:
                    not_split = str(error)
                else:
                    if len(chunks) > 1:
                        return Outcome("split", chunks=chunks, sha256=sha256)
            outcome = self._publish(recording, sha256, notes, started)
            return replace(outcome, not_split=not_split)

    def _segment_chunk(self, recording: Recording, chunk: Chunk) -> Outcome:
        path = self._path(recording)
        options = replace(self._source_options, chunk=chunk)
        with self._store.staging() as folder:
            file = folder / "chunk.parquet"
            write_chunk(self._segmenter, self._job, options, path, file, self._monitor)
            if self._monitor.is_stopped:
                return Outcome("stopped")
            self._check_same(recording)
            self._store.publish_chunk(file, recording.name, chunk.number)
        return Outcome("done", frames=self._monitor.frames)

    def _join(
        self, recording: Recording, chunks: tuple[Chunk, ...], sha256: str, seconds: float
    ) -> Outcome:
        started = time.monotonic() - seconds
        if (made := self._published_entry(recording, sha256)) is not None:
            # a worker died just after it had written them
            return Outcome("done", frames=made.frames)
        with (
            collected_warnings() as notes,
            self._store.chunks(recording.name, len(chunks)) as files,
        ):
            return self._publish(recording, sha256, notes, started, ChunkReader(files, chunks))

    def _published_entry(self, recording: Recording, sha256: str) -> Entry | None:
        """Return the entry of published results of this content, model and options, or None."""
        entry = self._store.entries([recording.name]).get(recording.name)
        if entry is None or not entry.is_of(self._model_sha256, self._options):
            return None
        return entry if entry.sha256 == sha256 else None

    def _publish(
        self,
        recording: Recording,
        sha256: str,
        notes: list[str],
        started: float,
        chunks: ChunkReader | None = None,
    ) -> Outcome:
        """Write all formats, and publish them.

        Args:
            recording: the recording.
            sha256: of the recording.
            notes: warnings; more may come.
            started: when the work began, by ``time.monotonic``.
            chunks: reads the instances of its chunks; None to segment it.
        """
        path, source, monitor = self._path(recording), recording.source, self._monitor
        with self._store.staging() as folder:
            write_results(
                self._segmenter,
                self._job,
                self._source_options,
                path,
                source,
                folder,
                monitor,
                chunks,
            )
            if monitor.is_stopped:
                return Outcome("stopped")
            self._check_same(recording)
            made = Entry(
                source=source,
                size=recording.size,
                version=recording.version,
                sha256=sha256,
                model_sha256=self._model_sha256,
                options=self._options,
                frames=monitor.frames,
                seconds=round(time.monotonic() - started, 3),
                notes=tuple(self._shown(recording, note) for note in notes),
                streamseg_version=VERSION,
            )
            self._store.publish(folder, recording.name, made)
        return Outcome("done", frames=monitor.frames)

    @property
    def _segmenter(self) -> Segmenter:
        assert self._loaded is not None, "prepare comes first"
        return self._loaded

    def _path(self, recording: Recording) -> Path:
        """Where the recording is on this machine; copies it there where it is not."""
        which = recording.source, recording.size, recording.version
        if self._copied is None or self._copied[0] != which:
            self.release()
            self._copied = which, self._copy.enter_context(local_copy(recording.place))
        return self._copied[1]

    def _shown(self, recording: Recording, text: str) -> str:
        """A text with the recording's own name in place of that of its copy."""
        return text.replace(str(self._copied[1]), recording.source) if self._copied else text

    def _check_same(self, recording: Recording) -> None:
        if recording.place.is_local and not is_unchanged(recording):
            raise SourceError(
                f"{recording.source} has changed since the run began: run the command again"
            )

"""Segment a recording in chunks, and join the chunks as if it had been segmented in one go.

Masks do not depend on earlier frames, but names do. A chunk therefore stores its instances as they
are before tracking. The worker that joins the chunks reads the recording from its beginning, and
takes the instances from the chunks instead of running the network. All else is as in an ordinary
run: the order of several cameras, tracking, and all formats.
"""

from __future__ import annotations

from dataclasses import dataclass

from streamseg.batch.chunk_files import ChunkReader, ChunkWriter
from streamseg.frame import Frame
from streamseg.results import Segments
from streamseg.runtime.base import Pending
from streamseg.streaming.pipeline import Pipeline


@dataclass(frozen=True)
class _WritingPending:
    """Write the instances of a frame to the chunk's file when they are fetched."""

    pending: Pending
    frame: Frame
    writer: ChunkWriter

    def fetch(self) -> tuple[Segments, float, float]:
        """See ``Pending``."""
        fetched = self.pending.fetch()
        self.writer.write(self.frame, fetched[0])
        return fetched


@dataclass(frozen=True)
class _StoredPending:
    """Return instances that were read from a chunk's file."""

    segments: Segments

    def fetch(self) -> tuple[Segments, float, float]:
        """See ``Pending``."""
        return self.segments, 0.0, 0.0


class ChunkWritingPipeline:
    """Segment frames and write their instances to a chunk's file."""

    def __init__(self, pipeline: Pipeline, writer: ChunkWriter) -> None:
        """Use a pipeline; it is closed with this one."""
        self._pipeline, self._writer = pipeline, writer
        self.ahead = pipeline.ahead

    def submit(self, frame: Frame, timings_ms: dict[str, float], *, alone: bool) -> Pending:
        """See ``Pipeline``."""
        pending = self._pipeline.submit(frame, timings_ms, alone=alone)
        return _WritingPending(pending, frame, self._writer)

    def wait_idle(self) -> None:
        """See ``Pipeline``."""
        self._pipeline.wait_idle()

    def close(self) -> None:
        """See ``Pipeline``."""
        self._pipeline.close()


class ChunkReadingPipeline:
    """Read the instances of frames from chunk files; segment the frames that are missing there."""

    def __init__(self, pipeline: Pipeline, chunks: ChunkReader) -> None:
        """Use a pipeline for the missing frames; it is closed with this one."""
        self._pipeline, self._chunks = pipeline, chunks
        self.ahead = pipeline.ahead
        self.missing_count = 0
        """Number of frames so far that are missing in the chunks."""

    def submit(self, frame: Frame, timings_ms: dict[str, float], *, alone: bool) -> Pending:
        """See ``Pipeline``."""
        segments = self._chunks.take(frame)
        if segments is None:
            self.missing_count += 1
            return self._pipeline.submit(frame, timings_ms, alone=alone)
        timings_ms["preprocess"] = 0.0
        return _StoredPending(segments)

    def wait_idle(self) -> None:
        """See ``Pipeline``."""
        self._pipeline.wait_idle()

    def close(self) -> None:
        """See ``Pipeline``."""
        self._pipeline.close()

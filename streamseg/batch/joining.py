"""Segment a recording in chunks, and join the chunks as if it had been done in one go.

Masks do not depend on earlier frames, but names do. So a chunk keeps the instances of its frames as
they are before tracking. Whoever joins the chunks reads the recording from its beginning, takes the
instances from there in place of the network, and everything behind it is that of an ordinary run:
the order of several cameras, tracking, and all formats.
"""

from __future__ import annotations

from dataclasses import dataclass

from streamseg.batch.chunk_files import ChunkWriter, KeptInstances
from streamseg.frame import Frame
from streamseg.results import Segments
from streamseg.runtime.base import Pending
from streamseg.streaming.pipeline import Pipeline


@dataclass(frozen=True)
class _Kept:
    """A frame in flight, whose instances are written to a file when they are found."""

    pending: Pending
    frame: Frame
    writer: ChunkWriter

    def fetch(self) -> tuple[Segments, float, float]:
        """See ``Pending``."""
        fetched = self.pending.fetch()
        self.writer.write(self.frame, fetched[0])
        return fetched


@dataclass(frozen=True)
class _Found:
    """A frame whose instances are known."""

    segments: Segments

    def fetch(self) -> tuple[Segments, float, float]:
        """See ``Pending``."""
        return self.segments, 0.0, 0.0


class KeepingPipeline:
    """Segments frames, and keeps their instances."""

    def __init__(self, pipeline: Pipeline, writer: ChunkWriter) -> None:
        """Use a pipeline, which is closed with this one."""
        self._pipeline, self._writer = pipeline, writer
        self.ahead = pipeline.ahead

    def submit(self, frame: Frame, timings_ms: dict[str, float], *, alone: bool) -> Pending:
        """See ``Pipeline``."""
        pending = self._pipeline.submit(frame, timings_ms, alone=alone)
        return _Kept(pending, frame, self._writer)

    def wait_idle(self) -> None:
        """See ``Pipeline``."""
        self._pipeline.wait_idle()

    def close(self) -> None:
        """See ``Pipeline``."""
        self._pipeline.close()


class JoiningPipeline:
    """Takes the instances of frames from chunks, and segments the frames that these lack."""

    def __init__(self, pipeline: Pipeline, instances: KeptInstances) -> None:
        """Use a pipeline, which is closed with this one, where the chunks lack a frame."""
        self._pipeline, self._instances = pipeline, instances
        self.ahead = pipeline.ahead
        self.lacking = 0
        """Number of frames that the chunks lacked so far."""

    def submit(self, frame: Frame, timings_ms: dict[str, float], *, alone: bool) -> Pending:
        """See ``Pipeline``."""
        segments = self._instances.take(frame)
        if segments is None:
            self.lacking += 1
            return self._pipeline.submit(frame, timings_ms, alone=alone)
        timings_ms["preprocess"] = 0.0
        return _Found(segments)

    def wait_idle(self) -> None:
        """See ``Pipeline``."""
        self._pipeline.wait_idle()

    def close(self) -> None:
        """See ``Pipeline``."""
        self._pipeline.close()

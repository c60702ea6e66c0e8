"""Count the frames of a worker's task, and stop the task, for another thread."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event

from streamseg.results import FrameResult
from streamseg.streaming.stream import Stream


class TaskMonitor:
    """Count the frames of the current task, and stop it from another thread."""

    def __init__(self) -> None:
        """Start before the first task."""
        self.frames = 0
        """Frames of the current task that are done."""
        self.expected = 0
        """Expected number of frames; 0 if unknown."""
        self._stream: Stream | None = None
        self._stopping = Event()

    def begin(self) -> None:
        """Set the counts to 0 for a new task."""
        self.frames, self.expected = 0, 0

    def results(self, stream: Stream, expected: int | None) -> Iterator[FrameResult]:
        """Yield the results of a stream and count them, until ``stop`` is called.

        Args:
            stream: closed by the caller.
            expected: expected number of frames; None if unknown.
        """
        self._stream, self.expected = stream, expected or 0
        for result in stream:
            if self.is_stopped:
                return
            yield result
            self.frames += 1

    @property
    def is_stopped(self) -> bool:
        """Whether ``stop`` was called."""
        return self._stopping.is_set()

    def stop(self) -> None:
        """Stop the current task; called once, at the end of the run."""
        self._stopping.set()
        if (stream := self._stream) is not None:
            stream.stop()

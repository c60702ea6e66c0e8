"""How far a worker is with its task, and a way to stop it, for another thread."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event

from streamseg.results import FrameResult
from streamseg.streaming.stream import Stream


class Watch:
    """Counts the frames of one task after another."""

    def __init__(self) -> None:
        """Start before the first task."""
        self.frames, self.expected = 0, 0
        self._stream: Stream | None = None
        self._stopping = Event()

    def begin(self) -> None:
        """Count from 0."""
        self.frames, self.expected = 0, 0

    def results(self, stream: Stream, expected: int | None) -> Iterator[FrameResult]:
        """The results of a stream, counted, until ``stop`` is called.

        Args:
            stream: closed by the caller.
            expected: how many frames there will be.
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
        """End the results; there will be no other task."""
        self._stopping.set()
        if (stream := self._stream) is not None:
            stream.stop()

"""Decode ahead in a thread, in bounded memory."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Iterator
from threading import Condition, Thread
from types import TracebackType
from typing import NamedTuple

from streamseg.errors import InputError
from streamseg.results import Frame
from streamseg.video.base import Source

# How long close() waits for a thread that sits in a network read; that one ends by itself when
# the source's own timeout strikes.
_JOIN_SECONDS = 1.0


class Fetched(NamedTuple):
    """One frame with what happened on its way."""

    frame: Frame
    dropped: int
    """Frames that were thrown away just before this one, to stay up to date."""
    decode_ms: float
    """Time to decode it, in ms, without waiting for the camera or the network."""


class Prefetch(Iterator[Fetched]):
    """Frames of a source, decoded ahead; ``prefetch`` makes it and says more.

    Close it, use it as a context manager or let it go out of scope to stop the thread, which
    then closes the source.
    """

    def __init__(self, source: Source, depth: int) -> None:
        """Start decoding, see ``prefetch``."""
        self._buffer = _Buffer(1 if source.is_live else depth, is_live=source.is_live)
        # The thread knows the buffer only, so that a forgotten Prefetch can be collected.
        self._thread = Thread(
            target=_fill, args=(source, self._buffer), name="streamseg-decode", daemon=True
        )
        self._thread.start()
        self._stop_when_forgotten = weakref.finalize(self, self._buffer.stop)

    def __next__(self) -> Fetched:
        """Wait for the next frame.

        Raises:
            StopIteration: at the end of the source, and always after ``close``.
            SourceError: the source cannot be read any further; frames before that came first.
        """
        fetched = self._buffer.get()
        if fetched is None:
            raise StopIteration
        return fetched

    def __enter__(self) -> Prefetch:
        """Return itself."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop the thread, whatever happened."""
        self.close()

    def close(self) -> None:
        """Stop the thread and release the source; doing so twice is harmless.

        Returns as soon as the frame in work is decoded. Where the thread waits for a camera that
        sends nothing, it returns after a second, and the thread ends when the read times out.
        """
        self._stop_when_forgotten()
        self._thread.join(_JOIN_SECONDS)


def prefetch(source: Source, *, depth: int = 4) -> Prefetch:
    """Decode ahead of the consumer in a thread.

    Files wait for the consumer and lose nothing. Live sources do not wait: only the newest frame
    is kept, and the number of those that it replaced is reported with it.

    Args:
        source: opened; it belongs to the thread from here on, which closes it at the end.
        depth: frames of a file that wait decoded at most, besides the one in work.

    Returns:
        An iterator of ``Fetched``; close it, best by using it as a context manager.

    Raises:
        InputError: ``depth`` is below 1.
    """
    if depth < 1:
        raise InputError(f"depth is at least 1 frame, got {depth}")
    return Prefetch(source, depth)


def _fill(source: Source, buffer: _Buffer) -> None:
    """Body of the thread."""
    failure: BaseException | None = None
    try:
        with source:
            for frame in source:
                if not buffer.put(frame, source.decode_ms):
                    return
    except BaseException as error:  # whatever it is belongs to the consumer
        failure = error
    finally:
        buffer.end(failure)


class _Buffer:
    """The frames between the two threads, at most ``capacity`` of them."""

    def __init__(self, capacity: int, *, is_live: bool) -> None:
        self._capacity = capacity
        self._is_live = is_live
        self._changed = Condition()
        self._waiting: deque[tuple[Frame, float]] = deque()
        self._dropped = 0
        self._is_stopped = False
        self._is_ended = False
        self._failure: BaseException | None = None

    def put(self, frame: Frame, decode_ms: float) -> bool:
        """Add a frame, waiting or dropping when full; False when no more are wanted."""
        with self._changed:
            if self._is_live and len(self._waiting) == self._capacity:
                self._waiting.popleft()
                self._dropped += 1
            self._changed.wait_for(lambda: len(self._waiting) < self._capacity or self._is_stopped)
            if self._is_stopped:
                return False
            self._waiting.append((frame, decode_ms))
            self._changed.notify_all()
            return True

    def get(self) -> Fetched | None:
        """Wait for a frame; None at the end.

        Raises:
            BaseException: what ended the thread, once, after its last frame.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_ended or self._is_stopped)
            if self._waiting:
                frame, decode_ms = self._waiting.popleft()
                dropped, self._dropped = self._dropped, 0
                self._changed.notify_all()
                return Fetched(frame, dropped, decode_ms)
            failure, self._failure = self._failure, None
            if failure is not None:
                raise failure
            return None

    def end(self, failure: BaseException | None) -> None:
        """Say that no frame follows, and why if it is not the end of the media."""
        with self._changed:
            self._is_ended = True
            self._failure = failure
            self._changed.notify_all()

    def stop(self) -> None:
        """Forget the frames and take no more."""
        with self._changed:
            self._is_stopped = True
            self._waiting.clear()
            self._failure = None
            self._changed.notify_all()

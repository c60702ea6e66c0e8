"""Prefetch frames in a thread, in bounded memory, and drop stale ones."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Iterator
from threading import Condition, Event, Thread, current_thread
from typing import TypeAlias

from streamseg.closing import Closing
from streamseg.errors import StreamsegError
from streamseg.frame import Frame
from streamseg.video.base import Source
from streamseg.video.events import Announcer
from streamseg.video.frame_buffer import FrameBuffer, Policy, QueuedFrame

logger = logging.getLogger(__name__)

# How long close() waits for a thread that is blocked in a network read; the read itself ends with
# the source's own timeout.
_JOIN_SECONDS = 1.0

OpenLater: TypeAlias = Callable[[Event], Source]
"""Opens a source in the thread that reads it; the event ends its waits."""


class Prefetch(Closing, Iterator[QueuedFrame]):
    """An iterator of the frames of a source, which a thread decodes in advance.

    When it is closed, left as a context manager, or garbage-collected, the thread stops and closes
    the source.
    """

    def __init__(
        self,
        source: Source | OpenLater,
        depth: int,
        policy: Policy,
        changed: Condition | None = None,
        announce: Announcer | None = None,
    ) -> None:
        """Start decoding.

        Args:
            source: an opened source, or a function that opens it in the thread. The thread owns it
                from now on.
            depth: highest number of decoded frames that wait, besides the one being decoded. It is
                1 if the policy drops frames.
            policy: which frames are kept when they come faster than they are taken.
            changed: notified whenever ``is_ready`` may have changed; several may share one.
            announce: called when the source has ended.
        """
        self._buffer = FrameBuffer(depth, policy, changed or Condition())
        stopping = source.stopping if isinstance(source, Source) else Event()
        # The thread refers to the buffer only, so that an unused Prefetch is garbage-collected.
        self._thread = Thread(
            target=_fill,
            args=(source, self._buffer, stopping, announce),
            name="streamseg-decode",
            daemon=True,
        )
        self._thread.start()
        self.stop = weakref.finalize(self, _stop, self._buffer, stopping)

    def __next__(self) -> QueuedFrame:
        """Wait for the next frame.

        Raises:
            StopIteration: at the end of the source, and always after ``close``.
            SourceError: the source cannot be read any further; raised after its last frame.
        """
        queued = self._buffer.take()
        if queued is None:
            raise StopIteration
        return queued

    def is_ready(self) -> bool:
        """Whether ``__next__`` would not wait; call while holding ``changed``."""
        return self._buffer.is_ready()

    def has_frame(self) -> bool:
        """Whether a frame is waiting; call while holding ``changed``."""
        return self._buffer.has_frame()

    def first(self) -> Frame | None:
        """The frame that ``__next__`` would return; call while holding ``changed``."""
        return self._buffer.first()

    @property
    def drops(self) -> bool:
        """Whether a newer frame replaces a waiting one; False until the source is open."""
        return self._buffer.drops

    @property
    def skipped(self) -> int:
        """Number of unreadable images and damaged packets that the source has skipped so far."""
        return self._buffer.skipped

    def close(self) -> None:
        """Stop the thread and release the source; closing again is a no-op.

        Returns when the current frame is decoded. If the thread waits for a camera that sends
        nothing, this returns after a second, and the thread ends when the read times out. Returns
        at once in the thread itself, which calls the callbacks of events.
        """
        self.stop()
        if self._thread is not current_thread():
            self._thread.join(_JOIN_SECONDS)


def _stop(buffer: FrameBuffer, stopping: Event) -> None:
    stopping.set()
    buffer.stop()


def _fill(
    source: Source | OpenLater, buffer: FrameBuffer, stopping: Event, announce: Announcer | None
) -> None:
    """Body of the thread."""
    failure: BaseException | None = None
    try:
        with source if isinstance(source, Source) else source(stopping) as opened:
            buffer.begin(is_live=opened.is_live)
            for frame in opened:
                buffer.skipped = opened.skipped
                if not buffer.put(frame, opened.decode_ms):
                    break
            buffer.skipped = opened.skipped
    except BaseException as error:  # raised in the consumer
        failure = error
    finally:
        if buffer.is_stopped:
            failure = None
        try:
            if announce is not None:
                ours = failure if isinstance(failure, StreamsegError) else None
                announce("ended", str(failure or ""), error=ours)
        except BaseException as problem:  # from the user's callback
            if buffer.is_stopped:  # the consumer takes nothing any more
                logger.exception("a callback of events failed")
            failure = failure or problem
        buffer.end(failure)

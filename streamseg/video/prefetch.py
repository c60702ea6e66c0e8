"""Decode ahead in a thread, in bounded memory, and decide which frames are worth their time."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from threading import Condition, Event, Thread
from typing import TypeAlias

from streamseg.closing import Closing
from streamseg.errors import InputError, StreamsegError
from streamseg.results import Frame
from streamseg.video.base import Source
from streamseg.video.events import Announcer
from streamseg.video.frame_buffer import Fetched, FrameBuffer, Policy

# How long close() waits for a thread that sits in a network read; that one ends by itself when
# the source's own timeout strikes.
_JOIN_SECONDS = 1.0

OpenLater: TypeAlias = Callable[[Event], Source]
"""Opens a source in the thread that will read it; the event ends its waits."""


class Prefetch(Closing, Iterator[Fetched]):
    """Frames of a source, decoded ahead; ``prefetch`` makes it and says more.

    Close it, use it as a context manager or let it go out of scope to stop the thread, which
    then closes the source.
    """

    def __init__(
        self,
        source: Source | OpenLater,
        depth: int,
        policy: Policy,
        changed: Condition | None = None,
        announce: Announcer | None = None,
    ) -> None:
        """Start decoding, see ``prefetch``.

        Args:
            source: or what opens it in the thread.
            depth: see ``prefetch``.
            policy: see ``prefetch``.
            changed: notified whenever ``is_ready`` may have changed; to share among several.
            announce: told when the source has ended.
        """
        self._buffer = FrameBuffer(depth, policy, changed or Condition())
        stopping = source.stopping if isinstance(source, Source) else Event()
        # The thread knows the buffer only, so that a forgotten Prefetch can be collected.
        self._thread = Thread(
            target=_fill,
            args=(source, self._buffer, stopping, announce),
            name="streamseg-decode",
            daemon=True,
        )
        self._thread.start()
        self.stop = weakref.finalize(self, _stop, self._buffer, stopping)

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

    def is_ready(self) -> bool:
        """Whether ``__next__`` would not wait; to be asked while holding ``changed``."""
        return self._buffer.is_ready()

    def has_frame(self) -> bool:
        """Whether a frame waits, and not just the end; to be asked while holding ``changed``."""
        return self._buffer.has_frame()

    def first(self) -> Frame | None:
        """The frame that ``__next__`` would give; ask while holding ``changed``."""
        return self._buffer.first()

    @property
    def drops(self) -> bool:
        """Whether a frame that waits gives way to a newer one; False until the source is open."""
        return self._buffer.drops

    @property
    def skipped(self) -> int:
        """Unreadable images or damaged packets that the source passed over so far."""
        return self._buffer.skipped

    def close(self) -> None:
        """Stop the thread and release the source; doing so twice is harmless.

        Returns as soon as the frame in work is decoded. Where the thread waits for a camera that
        sends nothing, it returns after a second, and the thread ends when the read times out.
        """
        self.stop()
        self._thread.join(_JOIN_SECONDS)


def prefetch(source: Source, *, depth: int = 4, policy: str | None = None) -> Prefetch:
    """Decode ahead of the consumer in a thread.

    Args:
        source: opened; it belongs to the thread from here on, which closes it at the end.
        depth: frames that wait decoded at most, besides the one in work.
        policy: ``all``: the source waits for the consumer and nothing is lost. ``latest``: only
            the newest frame is kept, and the number of those that it replaced is reported with
            it. ``every=N``: each N-th frame. By default live sources give the latest, others all.

    Returns:
        An iterator of ``Fetched``; close it, best by using it as a context manager.

    Raises:
        InputError: ``depth`` is below 1.
        ConfigError: there is no such policy.
    """
    if depth < 1:
        raise InputError(f"depth is at least 1 frame, got {depth}")
    return Prefetch(source, depth, Policy.of(policy))


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
    except BaseException as error:  # whatever it is belongs to the consumer
        failure = error
    finally:
        if buffer.is_stopped:
            failure = None
        try:
            if announce is not None:
                ours = failure if isinstance(failure, StreamsegError) else None
                announce("ended", str(failure or ""), error=ours)
        except BaseException as problem:  # of the user's callback
            failure = failure or problem
        buffer.end(failure)

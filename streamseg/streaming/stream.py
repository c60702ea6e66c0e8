"""One stream of results out of one or several sources, and the handles to control it."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from threading import Condition
from typing import NamedTuple

from streamseg.closing import Closing
from streamseg.errors import InputError, StreamsegError
from streamseg.results import FrameResult
from streamseg.streaming.chain import Chain, Finish, OnResult
from streamseg.streaming.sources import Lane, Lanes, SourceLike, opened_later, opened_now
from streamseg.video.base import Source
from streamseg.video.events import Announcer, OnEvent
from streamseg.video.frame_buffer import Fetched, Policy
from streamseg.video.options import SourceOptions
from streamseg.video.prefetch import OpenLater, Prefetch
from streamseg.video.source import name_of

# Frames that wait decoded where none is dropped.
_DEPTH = 4


class _Begun(NamedTuple):
    lane: Lane
    finish: Finish
    dropped: int


class Stream(Closing, Iterator[FrameResult]):
    """The results of one or several sources, frame by frame; memory does not grow.

    Each source is read in a thread of its own, in bounded memory. With several sources frames
    are taken in turn, and a source that ends or fails leaves the others alone: what happened is
    told as an event and in the log. With one, its error is raised here.

    The sources are closed when the stream ends, is closed, dropped, or left as a context manager.
    One thread iterates; all other methods may be called from any.
    """

    opened: Source | None = None
    """The source, where there is only one; its facts may be read, its frames are taken."""

    def __init__(
        self,
        chain: Chain,
        sources: SourceLike | Iterable[SourceLike],
        *,
        policy: str | None = None,
        options: SourceOptions | None = None,
        on_event: OnEvent | None = None,
        on_result: OnResult | None = None,
    ) -> None:
        """Open a single source now, several ones in their threads; see ``Segmenter.stream``."""
        self._chain = chain
        self._policy = Policy.of(policy)
        self._options = options
        self._on_event = on_event
        self._on_result = on_result
        self._changed = Condition()
        self._lanes = Lanes()
        self._begun: _Begun | None = None
        self._added = self._results = 0
        self._returned_at = math.inf
        self._network_seconds = 0.0
        self._errors: list[StreamsegError] = []
        self._is_paused = self._is_stopped = False
        self._is_single = isinstance(sources, str | os.PathLike | int | Source)
        if isinstance(sources, str | os.PathLike | int | Source):
            self._start(sources, is_opened_now=True)
            return
        sources = list(sources) if isinstance(sources, Iterable) else [sources]
        if not sources:
            raise InputError("there is no source in the list: give at least one")
        for source in sources:
            self.add(source)

    def __next__(self) -> FrameResult:
        """Wait for the next result.

        Raises:
            StopIteration: all sources have ended, or ``stop`` or ``close`` was called.
            SourceError: the only source cannot be read any further; or there are several, and
                not one gave a frame.
        """
        used_seconds = time.monotonic() - self._returned_at
        try:
            begun = self._take_begun() or self._begin(wait=True)
        except Exception:
            if not self._lanes.open:
                self.close()
            raise
        if begun is None:
            self.close()
            if self._errors and not self._results:
                raise self._errors[0]
            raise StopIteration
        following = None
        may_grow_old = self._any_drops()
        # for a user who is slower than the network it would lie about
        if not may_grow_old or used_seconds <= self._network_seconds:
            if may_grow_old:
                # what is taken then is worked on at once, and as new as can be
                self._chain.wait_until_free()
            following = self._begin(wait=False)
        with self._changed:
            self._begun = None if self._is_stopped else following
        self._results += 1
        result = begun.finish(begun.lane.tracker)
        result = replace(result, source=begun.lane.name, source_index=begun.lane.index)
        self._network_seconds = result.timings_ms["network"] / 1e3
        self._returned_at = time.monotonic()
        if self._on_result:
            self._on_result(result)
        return result

    def add(self, source: SourceLike) -> int:
        """Read one more source from now on; it is opened in its own thread.

        Returns:
            Its ``source_index``.

        Raises:
            InputError: it is nothing that can be a source.
        """
        if isinstance(source, bool) or not isinstance(source, str | os.PathLike | int | Source):
            raise InputError(
                f"a source is a path, a URL or a camera's index, got {type(source).__name__}"
            )
        return self._start(source, is_opened_now=False)

    def remove(self, source_index: int) -> None:
        """Close one source; nothing happens if it has ended."""
        with self._changed:
            for lane in self._lanes.open:
                if lane.index == source_index:
                    lane.frames.stop()
                    self._forget_begun_of(lane)

    def pause(self) -> None:
        """Give no results until ``resume``. Cameras are read on, and their frames dropped."""
        with self._changed:
            self._is_paused = True
            if self._begun and self._begun.lane.frames.drops:
                self._forget_begun_of(self._begun.lane)

    def resume(self) -> None:
        """Go on after ``pause``."""
        with self._changed:
            self._is_paused = False
            self._changed.notify_all()

    def skip(self, frames: int = 1) -> None:
        """Pass over the next frames of every source; they count as dropped."""
        with self._changed:
            for lane in self._lanes.open:
                lane.to_skip += frames
                if lane.to_skip and self._forget_begun_of(lane):
                    lane.to_skip -= 1

    def stop(self) -> None:
        """End the stream at once, also where it waits for a frame; closes the sources."""
        with self._changed:
            self._is_stopped = True
            self._begun = None
            for lane in self._lanes.open:
                lane.frames.stop()
            self._changed.notify_all()

    def close(self) -> None:
        """Stop, and wait until the sources are closed; doing so twice is harmless.

        A source that waits for a silent network is left to its time-out after a second.
        """
        self.stop()
        for lane in list(self._lanes.open):
            lane.frames.close()
        self._chain.close()

    @property
    def skipped(self) -> int:
        """Unreadable images or damaged packets of all sources that were passed over so far."""
        with self._changed:
            return self._lanes.skipped

    def _start(self, source: SourceLike, *, is_opened_now: bool) -> int:
        index = self._added
        name = source.description if isinstance(source, Source) else name_of(source)
        announce = Announcer(name, index, self._on_event)
        frames: Source | OpenLater
        if isinstance(source, Source):
            frames = source
        elif is_opened_now:
            frames = opened_now(source, self._options, announce)
        else:
            frames = opened_later(source, self._options, announce)
        if self._is_single and isinstance(frames, Source):
            self.opened = frames
        prefetch = Prefetch(frames, _DEPTH, self._policy, self._changed, announce)
        with self._changed:
            self._added += 1
            self._lanes.open.append(Lane(index, name, prefetch, self._chain.new_tracker()))
            self._changed.notify_all()
        return index

    def _take_begun(self) -> _Begun | None:
        """What was begun while the result before was made, unless it is no longer wanted."""
        with self._changed:
            self._changed.wait_for(lambda: not self._is_paused or self._is_stopped)
            begun, self._begun = self._begun, None
            return begun

    def _forget_begun_of(self, lane: Lane) -> bool:
        """Count what was begun as passed over, if it is of this lane."""
        if self._begun is None or self._begun.lane is not lane:
            return False
        lane.pass_over(self._begun.dropped)
        self._begun = None
        return True

    def _any_drops(self) -> bool:
        with self._changed:
            return any(lane.frames.drops for lane in self._lanes.open)

    def _begin(self, *, wait: bool) -> _Begun | None:
        """Begin the next frame; None at the end, or where it would have to be waited for."""
        taken = self._take(wait=wait)
        if taken is None:
            return None
        lane, (frame, dropped, decode_ms) = taken
        return _Begun(lane, self._chain.begin(frame, dropped, decode_ms), dropped)

    def _take(self, *, wait: bool) -> tuple[Lane, Fetched] | None:
        """The next frame; None at the end, or where it would have to be waited for."""
        with self._changed:
            while not self._is_stopped and self._lanes.open:
                ready = None if self._is_paused else self._lanes.next_ready()
                # an end, and the error it may come with, belong behind what was begun before
                if not wait and (ready is None or not ready.frames.has_frame()):
                    return None
                if ready is None:
                    self._changed.wait()
                    continue
                try:
                    fetched = self._lanes.fetch(ready)
                except StreamsegError as error:
                    if self._is_single:
                        raise
                    self._errors.append(error)
                    continue
                if fetched is not None:
                    return ready, fetched
        return None

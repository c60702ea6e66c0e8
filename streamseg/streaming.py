"""One stream of results out of one or several sources, and the handles to control it."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from threading import Condition, Event, Thread
from typing import Protocol, TypeAlias

from streamseg.closing import Closing
from streamseg.errors import InputError, StreamsegError
from streamseg.events import Announcer, OnEvent
from streamseg.results import Frame, FrameResult
from streamseg.tracking import Tracker
from streamseg.video.base import Source
from streamseg.video.options import SourceOptions
from streamseg.video.prefetch import Fetched, OpenLater, Policy, Prefetch
from streamseg.video.source import name_of, open_source

SourceLike: TypeAlias = str | os.PathLike[str] | int | Source

# Frames that wait decoded where none is dropped.
_DEPTH = 4


class Finish(Protocol):
    """Gives the result of a frame whose segmentation was begun."""

    def __call__(self, tracker: Tracker) -> FrameResult:
        """Wait for it, and name its instances."""
        ...


@dataclass(frozen=True)
class Chain:
    """What a stream does with each frame."""

    begin: Callable[[Frame, int, float], Finish]
    """Takes a frame, the number dropped before it, and the ms that decoding took."""
    new_tracker: Callable[[], Tracker]
    ahead: int
    """Frames that may be begun before the first of them is finished."""


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
    ) -> None:
        """Open a single source now, several ones in their threads; see ``Segmenter.stream``."""
        self._chain = chain
        self._policy = Policy.of(policy)
        self._options = options
        self._on_event = on_event
        self._changed = Condition()
        self._lanes: list[_Lane] = []
        self._begun: deque[tuple[_Lane, Finish]] = deque()
        self._added = self._results = self._skipped_before = 0
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
        while True:
            taken = self._take(wait=not self._begun)
            if taken is not None:
                lane, fetched = taken
                finish = self._chain.begin(fetched.frame, fetched.dropped, fetched.decode_ms)
                self._begun.append((lane, finish))
            if len(self._begun) > (self._chain.ahead if taken else 0):
                lane, finish = self._begun.popleft()
                self._results += 1
                result = finish(lane.tracker)
                return replace(result, source=lane.name, source_index=lane.index)
            if taken is None:
                self.close()
                if self._errors and not self._results:
                    raise self._errors[0]
                raise StopIteration

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
            for lane in self._lanes:
                if lane.index == source_index:
                    lane.frames.stop()

    def pause(self) -> None:
        """Give no results until ``resume``. Cameras are read on, and their frames dropped."""
        with self._changed:
            self._is_paused = True

    def resume(self) -> None:
        """Go on after ``pause``."""
        with self._changed:
            self._is_paused = False
            self._changed.notify_all()

    def skip(self, frames: int = 1) -> None:
        """Pass over the next frames of every source; they count as dropped."""
        with self._changed:
            for lane in self._lanes:
                lane.to_skip += frames

    def stop(self) -> None:
        """End the stream at once, also where it waits for a frame; closes the sources."""
        with self._changed:
            self._is_stopped = True
            for lane in self._lanes:
                lane.frames.stop()
            self._changed.notify_all()

    def close(self) -> None:
        """Stop, and wait until the sources are closed; doing so twice is harmless.

        A source that waits for a silent network is left to its time-out after a second.
        """
        self.stop()
        self._begun.clear()
        for lane in self._lanes:
            lane.frames.close()

    @property
    def skipped(self) -> int:
        """Unreadable images or damaged packets of all sources that were passed over so far."""
        with self._changed:
            return self._skipped_before + sum(lane.frames.skipped for lane in self._lanes)

    def _start(self, source: SourceLike, *, is_opened_now: bool) -> int:
        index = self._added
        name = source.description if isinstance(source, Source) else name_of(source)
        announce = Announcer(name, index, self._on_event)
        frames: Source | OpenLater
        if isinstance(source, Source):
            frames = source
        elif is_opened_now:
            frames = _open_now(source, self._options, announce)
        else:
            frames = partial(_open_later, source, self._options, announce)
        if self._is_single and isinstance(frames, Source):
            self.opened = frames
        prefetch = Prefetch(frames, _DEPTH, self._policy, self._changed, announce)
        with self._changed:
            self._added += 1
            self._lanes.append(_Lane(index, name, prefetch, self._chain.new_tracker()))
            self._changed.notify_all()
        return index

    def _take(self, *, wait: bool) -> tuple[_Lane, Fetched] | None:
        """The next frame; None at the end, or where one would have to be waited for."""
        with self._changed:
            while not self._is_stopped and self._lanes:
                ready = None if self._is_paused else self._next_ready()
                if ready is None:
                    if not wait:
                        return None
                    self._changed.wait()
                    continue
                fetched = self._fetched(ready)
                if fetched is not None:
                    return ready, fetched
        return None

    def _next_ready(self) -> _Lane | None:
        """The lane that has something and was not asked for longest."""
        for lane in self._lanes:
            if lane.frames.is_ready():
                self._lanes.remove(lane)
                self._lanes.append(lane)
                return lane
        return None

    def _fetched(self, lane: _Lane) -> Fetched | None:
        """A frame of a lane that is ready; None where it is skipped, or the lane has ended."""
        try:
            fetched = next(lane.frames)
        except StopIteration:
            self._drop(lane)
            return None
        except StreamsegError as error:
            self._drop(lane)
            if self._is_single:
                raise
            self._errors.append(error)
            return None
        dropped = lane.passed_over + fetched.dropped
        lane.passed_over = 0
        if lane.to_skip:
            lane.to_skip -= 1
            lane.passed_over = dropped + 1
            return None
        return fetched._replace(dropped=dropped)

    def _drop(self, lane: _Lane) -> None:
        self._lanes.remove(lane)
        self._skipped_before += lane.frames.skipped


@dataclass
class _Lane:
    """One source of a stream."""

    index: int
    name: str
    frames: Prefetch
    tracker: Tracker
    to_skip: int = 0
    passed_over: int = 0


def _open_now(
    source: str | os.PathLike[str] | int, options: SourceOptions | None, announce: Announcer
) -> Source:
    """Open in a thread: FFmpeg's waiting for a network could not be ended by Ctrl-C here."""
    opened: Future[Source] = Future()
    stopping = Event()

    def work() -> None:
        try:
            found = open_source(source, options, announce=announce, stopping=stopping)
        except BaseException as error:  # whatever it is belongs to the caller
            opened.set_exception(error)
            return
        opened.set_result(found)
        if stopping.is_set():
            found.close()

    Thread(target=work, name="streamseg-open", daemon=True).start()
    try:
        return opened.result()
    except KeyboardInterrupt:
        stopping.set()
        raise


def _open_later(
    source: str | os.PathLike[str] | int,
    options: SourceOptions | None,
    announce: Announcer,
    stopping: Event,
) -> Source:
    return open_source(source, options, announce=announce, stopping=stopping, patient=True)

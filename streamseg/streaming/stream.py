"""A stream of results from one or several sources, and its controls."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterable, Iterator
from threading import Condition
from typing import TYPE_CHECKING

from streamseg.closing import Closing
from streamseg.config import ModelConfig
from streamseg.errors import ConfigError, InputError, StreamsegError
from streamseg.results import FrameResult
from streamseg.streaming.in_flight import InFlight, InFlightQueue
from streamseg.streaming.pipeline import Pipeline, finish
from streamseg.streaming.sources import (
    Lane,
    Lanes,
    SourceLike,
    StreamOptions,
    listed,
    open_or_defer,
)
from streamseg.tracking import Tracker
from streamseg.video.base import Source
from streamseg.video.events import Announcer, OnEvent, StreamEvent, StreamEvents
from streamseg.video.frame_buffer import Policy, QueuedFrame
from streamseg.video.prefetch import Prefetch
from streamseg.video.recordings.paths import recording_of
from streamseg.video.source import name_of

if TYPE_CHECKING:
    from typing_extensions import Unpack

# Most decoded frames of a source that wait, if the policy drops none.
_DEPTH = 4


class Stream(Closing, Iterator[FrameResult]):
    """An iterator of the results of one or several sources; memory does not grow.

    Each source is read in a thread of its own, in bounded memory. With several sources frames
    are taken in turn, those of several topics of one recording in the order of their stamps. A
    source that ends or fails does not affect the others: the failure is reported as an event and
    in the log. The error of a source that was given without a list is raised here.

    The sources are closed when the stream ends, is closed, garbage-collected, or left as a context
    manager. One thread iterates. All other methods may be called from any thread.
    """

    opened: Source | None = None
    """The opened source, if there is only one. Read its properties only: its frames belong to the
    stream."""

    def __init__(
        self,
        pipeline: Pipeline,
        config: ModelConfig,
        sources: SourceLike | Iterable[SourceLike],
        **stream_options: Unpack[StreamOptions],
    ) -> None:
        """Open a single source now, several ones in their threads; see ``Segmenter.stream``.

        Args:
            pipeline: for this stream alone; ``close`` closes it.
            config: of the model, see ``finish``.
            sources: see ``Segmenter.stream``.
            stream_options: see ``StreamOptions``.
        """
        for name in stream_options.keys() - StreamOptions.__optional_keys__:
            raise TypeError(f"stream() got an unexpected keyword argument {name!r}")
        self._pipeline, self._config = pipeline, config
        self._policy = Policy.of(stream_options.get("policy"))
        self._options = stream_options.get("options")
        self._events = StreamEvents(stream_options.get("on_event"))
        self._on_result = stream_options.get("on_result")
        self._changed = Condition()
        self._lanes = Lanes()
        self._in_flight = InFlightQueue()
        self._added_count = self._result_count = 0
        self._network_seconds, self._returned_at = 0.0, math.inf
        self._first_error: StreamsegError | None = None
        self._is_paused = self._is_stopped = False
        self._stays_open = bool(stream_options.get("stays_open"))
        self._is_single = isinstance(sources, str | os.PathLike | int | Source)
        if self._is_single and self._stays_open:
            raise ConfigError("stays_open takes a list of sources, got a single source")
        if isinstance(sources, str | os.PathLike | int | Source):
            self._start(sources, now=True)
            return
        sources = listed(sources)
        if not sources and not self._stays_open:
            raise InputError("there is no source in the list: give at least one")
        for source in sources:
            self.add(source)

    def __next__(self) -> FrameResult:
        """Wait for the next result.

        Raises:
            StopIteration: all sources have ended, or ``stop`` or ``close`` was called.
            SourceError: the only source cannot be read any further; or there are several, one
                failed, and none gave a frame.
        """
        used_seconds = time.monotonic() - self._returned_at
        try:
            current = self._take_in_flight() or self._submit_next(self._any_live(), wait=True)
        except Exception:
            if not self._lanes.active:
                self.close()
            raise
        if current is None:
            has_ended = not self._is_stopped
            self.close()
            if has_ended and self._first_error and not self._result_count:
                raise self._first_error
            raise StopIteration
        self._submit_ahead(used_seconds)
        self._result_count += 1
        result = finish(current, self._config)
        self._network_seconds = result.timings_ms["network"] / 1e3
        self._returned_at = time.monotonic()
        if self._on_result:
            self._on_result(result)
        return result

    def add(self, source: SourceLike) -> int:
        """Add a source; it is opened in its own thread.

        Returns:
            Its ``source_index``.

        Raises:
            InputError: it is not a source.
        """
        self._is_single = False
        return self._start(source, now=False)

    def remove(self, source_index: int) -> None:
        """Close one source; nothing happens if it has ended."""
        with self._changed:
            self._events.forget(source_index)
            for lane in self._lanes.active:
                if lane.index == source_index:
                    lane.frames.stop()
                    self._discard_in_flight(lane)

    def listen(self, on_event: OnEvent) -> list[StreamEvent]:
        """Also call ``on_event`` with every event from now on; see ``StreamOptions``.

        Returns:
            The latest event of each source so far.
        """
        return self._events.listen(on_event)

    @property
    def is_paused(self) -> bool:
        """Whether the stream is paused."""
        return self._is_paused

    def pause(self) -> None:
        """Give no results until ``resume``; meanwhile frames of cameras are read and dropped."""
        with self._changed:
            self._is_paused = True
            for lane in self._lanes.active:
                if lane.frames.drops:
                    self._discard_in_flight(lane)

    def resume(self) -> None:
        """Give results again: files go on where they stopped, cameras with the newest frame."""
        with self._changed:
            self._is_paused = False
            self._changed.notify_all()

    def skip(self, frames: int = 1) -> None:
        """Drop the next frames of every source; ``FrameResult.dropped`` counts them.

        Raises:
            InputError: ``frames`` is negative.
        """
        if frames < 0:
            raise InputError(f"frames must be 0 or more, got {frames}")
        with self._changed:
            for lane in self._lanes.active:
                lane.to_skip += frames
                lane.to_skip -= self._discard_in_flight(lane, lane.to_skip)

    def stop(self) -> None:
        """End the stream at once, also while it waits for a frame; threads close the sources."""
        with self._changed:
            self._is_stopped = True
            self._in_flight.clear()
            for lane in self._lanes.active:
                lane.frames.stop()
            self._changed.notify_all()

    def close(self) -> None:
        """Stop, and wait until the sources are closed; closing again is a no-op.

        Waits for the frames that the network works on, and at most one second for each source.
        """
        self.stop()
        for lane in list(self._lanes.active):
            lane.frames.close()
        self._pipeline.close()

    @property
    def skipped(self) -> int:
        """Number of unreadable images and damaged packets of all sources so far."""
        with self._changed:
            return self._lanes.skipped

    def _start(self, source: SourceLike, *, now: bool) -> int:
        name = source.description if isinstance(source, Source) else name_of(source)
        with self._changed:
            index = self._added_count
            self._added_count += 1
        announce = Announcer(name, index, self._events.tell)
        frames = open_or_defer(source, self._options, announce, now=now)
        if now and isinstance(frames, Source):
            self.opened = frames
        prefetch = Prefetch(frames, _DEPTH, self._policy, self._changed, announce)
        with self._changed:
            if self._is_stopped:
                prefetch.stop()
            tracker = Tracker(self._config.class_names)
            self._lanes.active.append(Lane(index, name, prefetch, tracker, recording_of(name)))
            self._changed.notify_all()
        return index

    def _take_in_flight(self) -> InFlight | None:
        """Take the oldest frame in flight, None if there is none; wait while paused."""
        with self._changed:
            self._changed.wait_for(lambda: not self._is_paused or self._is_stopped)
            return self._in_flight.take()

    def _discard_in_flight(self, lane: Lane, most: int | None = None) -> int:
        """Drop the frames in flight of a lane, at most so many; count them."""
        count, dropped = self._in_flight.discard(lane.index, most)
        lane.dropped += dropped
        return count

    def _any_live(self) -> bool:
        with self._changed:
            return any(lane.frames.drops for lane in self._lanes.active)

    def _submit_ahead(self, used_seconds: float) -> None:
        """Submit the frames that the network works on while the user has the next result.

        Args:
            used_seconds: how long the user had the latest result.
        """
        ahead, any_live = self._pipeline.ahead, self._any_live()
        if any_live:
            if used_seconds > self._network_seconds:
                return  # the result would be stale before the user takes it
            # submit when the network is idle: the newest frame then does not wait for it
            self._pipeline.wait_idle()
            ahead = 1
        with self._changed:
            missing = ahead - len(self._in_flight)
        for _ in range(missing):
            following = self._submit_next(any_live, wait=False)
            with self._changed:
                if following is None or self._is_stopped:
                    return
                self._in_flight.append(following)

    def _submit_next(self, alone: bool, *, wait: bool) -> InFlight | None:
        """Submit the next frame; None at the end, or if ``wait`` is false and no frame is ready."""
        taken = self._take_next(wait=wait)
        if taken is None:
            return None
        lane, (frame, dropped, decode_ms) = taken
        timings_ms = {"decode": decode_ms}
        pending = self._pipeline.submit(frame, timings_ms, alone=alone)
        return InFlight(frame, pending, lane.tracker, timings_ms, dropped, lane.name, lane.index)

    def _take_next(self, *, wait: bool) -> tuple[Lane, QueuedFrame] | None:
        """Take the next frame; None at the end, or if ``wait`` is false and no frame is ready."""
        with self._changed:
            while not self._is_stopped and (self._lanes.active or (self._stays_open and wait)):
                ready = None if self._is_paused else self._lanes.next_ready()
                # return the frame in flight before an end or an error
                if not wait and (ready is None or not ready.frames.has_frame()):
                    return None
                if ready is None:
                    self._changed.wait()
                    continue
                try:
                    queued = self._lanes.take(ready)
                except StreamsegError as error:
                    if self._is_single:
                        raise
                    self._first_error = self._first_error or error
                    continue
                if queued is not None:
                    return ready, queued
        return None

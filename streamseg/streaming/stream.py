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
from streamseg.errors import ConfigError, InputError
from streamseg.results import FrameResult
from streamseg.streaming.in_flight import InFlightQueue
from streamseg.streaming.lanes import Lane, Lanes
from streamseg.streaming.pipeline import Pipeline, finish
from streamseg.streaming.sources import SourceLike, StreamOptions, listed, open_or_defer
from streamseg.tracking import Tracker
from streamseg.video.base import Source
from streamseg.video.events import Announcer, OnEvent, StreamEvent, StreamEvents
from streamseg.video.frame_buffer import Policy
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
    manager. One thread iterates. All other methods may be called from any thread, also from
    callbacks. The frame that ``next`` has already taken for its result is still returned after
    ``pause``, ``skip``, ``remove`` and ``stop``.
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
        """Open a single source now, several in their own threads; see ``Segmenter.stream``.

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
        self._added_count = self._result_count = 0
        self._network_seconds, self._returned_at = 0.0, math.inf
        stays_open = bool(stream_options.get("stays_open"))
        self._changed = Condition()
        self._lanes = Lanes(self._changed, stays_open=stays_open)
        self._in_flight = InFlightQueue(pipeline, self._lanes, self._changed)
        if isinstance(sources, str | os.PathLike | int | Source):
            if stays_open:
                raise ConfigError("stays_open takes a list of sources, got a single source")
            self._start(sources, now=True)
            return
        sources = listed(sources)
        if not sources and not stays_open:
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
            current = self._in_flight.take()
        except Exception:
            if not self._lanes.active:
                self.close()
            raise
        if current is None:
            has_ended = not self._lanes.is_stopped
            self.close()
            if has_ended and self._lanes.first_error and not self._result_count:
                raise self._lanes.first_error
            raise StopIteration
        self._in_flight.submit_ahead(is_user_slow=used_seconds > self._network_seconds)
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
        return self._start(source, now=False)

    def remove(self, source_index: int) -> None:
        """Close one source; nothing happens if it has ended."""
        with self._changed:
            removed = [lane for lane in self._lanes.active if lane.index == source_index]
            self._events.forget(source_index, has_ended=not removed)
            for lane in removed:
                lane.frames.stop()
                self._in_flight.discard(lane)

    def listen(self, on_event: OnEvent) -> list[StreamEvent]:
        """Also call ``on_event`` with every event from now on; see ``StreamOptions``.

        Returns:
            The latest event of each source so far.
        """
        return self._events.listen(on_event)

    @property
    def is_paused(self) -> bool:
        """Whether the stream is paused."""
        return self._lanes.is_paused

    def pause(self) -> None:
        """Give no results until ``resume``; meanwhile frames of cameras are read and dropped."""
        with self._changed:
            self._lanes.is_paused = True
            for lane in self._lanes.active:
                if lane.frames.drops:
                    self._in_flight.discard(lane)

    def resume(self) -> None:
        """Give results again: files go on where they stopped, cameras with the newest frame."""
        with self._changed:
            self._lanes.is_paused = False
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
                lane.to_skip -= self._in_flight.discard(lane, lane.to_skip)

    def stop(self) -> None:
        """End the stream at once, also while it waits for a frame; threads close the sources."""
        with self._changed:
            self._lanes.is_stopped = True
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
        tracker = Tracker(self._config.class_names)
        with self._changed:  # a callback in the new thread may already remove the source
            prefetch = Prefetch(frames, _DEPTH, self._policy, self._changed, announce)
            if self._lanes.is_stopped:
                prefetch.stop()
            self._lanes.is_single = now
            self._lanes.active.append(Lane(index, name, prefetch, tracker, recording_of(name)))
            self._changed.notify_all()
        return index

"""The newest result and the state of every source, for all viewers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Lock
from typing import Any

from streamseg.results import FrameResult
from streamseg.serve.encoded import EncodedResult
from streamseg.serve.metrics import Metrics
from streamseg.serve.pace import Pace
from streamseg.serve.source_state import SourceState
from streamseg.serve.video_feed import VideoFeed
from streamseg.serve.watch import Watch
from streamseg.video.events import StreamEvent


class Hub:
    """What viewers see; the stream publishes here and waits for no viewer.

    All methods may be called from any thread.
    """

    def __init__(self, metrics: Metrics) -> None:
        """Start without sources.

        Args:
            metrics: counts all that is published.
        """
        self.has_ended = False
        self.failure = ""
        """Why the stream ended; empty if it runs, or ended without an error."""
        self._metrics = metrics
        self._lock = Lock()
        self._sources: dict[int, SourceState] = {}
        self._removed: set[int] = set()
        self._watches: set[Watch] = set()
        self._pace = Pace()
        self._encoder = ThreadPoolExecutor(1, "streamseg-encode")

    def publish(self, result: FrameResult) -> None:
        """Replace the newest result of its source."""
        with self._lock:
            source = self._source(result.source_index, result.source)
            if source is None:
                return
            since_seconds = source.note_result(result)
            source.newest = EncodedResult(result, since_seconds, self._encoder)
            self._metrics.count_result(result)
            is_shown = self._pace.shows(
                result.source_index,
                time.monotonic(),
                sum(result.timings_ms.get(stage, 0) for stage in ("preprocess", "network")) / 1e3,
                len(self._sources),
            )
            if is_shown:
                source.shown = source.newest
        if is_shown:
            source.video.publish(source.newest)
        self.wake()

    def note(self, event: StreamEvent) -> None:
        """Record an event of a source."""
        with self._lock:
            source = self._source(event.source_index, event.source)
            if source is None:
                return
            source.note_event(event)
            for watch in self._watches:
                watch.events.append(event)
            self._metrics.count_event(event)
        self.wake()

    def note_earlier(self, event: StreamEvent) -> None:
        """Record an event, unless a later one of its source is known."""
        with self._lock:
            is_known = event.source_index in self._sources
        if not is_known:
            self.note(event)

    def remove(self, source_index: int) -> bool:
        """Forget a source; False if there is none."""
        with self._lock:
            if self._sources.pop(source_index, None) is None:
                return False
            self._removed.add(source_index)
            self._pace.forget(source_index)
            self._metrics.forget(source_index)
        self.wake()
        return True

    def end(self, failure: str = "") -> None:
        """Tell all viewers that nothing follows."""
        with self._lock:
            self.has_ended = True
            self.failure = self.failure or failure
        self.wake()

    def newest(self, source_index: int) -> EncodedResult | None:
        """The newest result of a source; None if there is none yet, or no such source."""
        source = self._sources.get(source_index)
        return source.newest if source else None

    def shown(self, source_index: int) -> EncodedResult | None:
        """The newest result whose image viewers are shown; see ``Pace``."""
        source = self._sources.get(source_index)
        return source.shown if source else None

    def video(self, source_index: int) -> VideoFeed | None:
        """The H.264 of a source; None if there is no such source."""
        source = self._sources.get(source_index)
        return source.video if source else None

    def has(self, source_index: int) -> bool:
        """Whether a source is known; it may have ended."""
        return source_index in self._sources

    def indices(self) -> list[int]:
        """Of all sources, in the order in which they were added."""
        with self._lock:
            return sorted(self._sources)

    def describe(self) -> list[dict[str, Any]]:
        """The state of every source for JSON; docs/serve.md has the fields."""
        now = time.monotonic()
        with self._lock:
            return [source.describe(now) for _, source in sorted(self._sources.items())]

    @contextmanager
    def watching(self) -> Iterator[Watch]:
        """A watch of the running event loop."""
        watch = Watch()
        with self._lock:
            self._watches.add(watch)
        try:
            yield watch
        finally:
            with self._lock:
                self._watches.discard(watch)

    def wake(self) -> None:
        """Wake all viewers."""
        with self._lock:
            watches = list(self._watches)
        for watch in watches:
            watch.wake()

    def _source(self, index: int, name: str) -> SourceState | None:
        """The state of a source, new if need be; None if it was removed."""
        if index in self._removed:
            return None
        if index not in self._sources:
            self._sources[index] = SourceState(index, name, VideoFeed(self._encoder))
        return self._sources[index]

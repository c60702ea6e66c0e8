"""Counters for monitoring, in Prometheus' text format."""

from __future__ import annotations

from collections import Counter as Counts
from contextlib import suppress
from typing import Final

import prometheus_client as prometheus

from streamseg.results import FrameResult
from streamseg.video.events import StreamEvent

CONTENT_TYPE: Final = prometheus.CONTENT_TYPE_LATEST
LATENCY_BUCKETS: Final = (0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0)


class Metrics:
    """The metrics of one application; may be used from any thread."""

    def __init__(self) -> None:
        """Start at 0."""
        self._registry = registry = prometheus.CollectorRegistry()
        prometheus.ProcessCollector(registry=registry)  # memory, CPU, open files
        self._classes: dict[str, set[str]] = {}
        """Seen so far in each source."""
        by_source = ["source"]
        self._frames = prometheus.Counter(
            "streamseg_frames", "Frames segmented", by_source, registry=registry
        )
        self._dropped = prometheus.Counter(
            "streamseg_dropped_frames", "Frames dropped to stay live", by_source, registry=registry
        )
        self._latency = prometheus.Histogram(
            "streamseg_latency_seconds",
            "From a frame's arrival to its result",
            by_source,
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        self._reconnects = prometheus.Counter(
            "streamseg_reconnects", "Tries to reconnect", by_source, registry=registry
        )
        self._live = prometheus.Gauge(
            "streamseg_source_live",
            "1 while a source is live, else 0",
            by_source,
            registry=registry,
        )
        self._instances = prometheus.Gauge(
            "streamseg_instances",
            "Confirmed instances in the newest frame",
            [*by_source, "class"],
            registry=registry,
        )
        self._viewers = prometheus.Gauge(
            "streamseg_viewers", "Connected viewers", ["channel"], registry=registry
        )
        self._sent = prometheus.Counter(
            "streamseg_sent_frames", "Frames sent to viewers", ["channel"], registry=registry
        )

    def count_result(self, result: FrameResult) -> None:
        """Count one frame."""
        source = str(result.source_index)
        self._frames.labels(source).inc()
        self._dropped.labels(source).inc(result.dropped)
        self._latency.labels(source).observe(result.latency_ms / 1e3)
        counts = Counts(instance.class_name for instance in result.confirmed)
        known = self._classes.setdefault(source, set())
        known |= set(counts)
        for class_name in known:
            self._instances.labels(source, class_name).set(counts[class_name])

    def count_event(self, event: StreamEvent) -> None:
        """Count a reconnection; note whether the source is live."""
        source = str(event.source_index)
        self._live.labels(source).set(event.state == "live")
        if event.state == "reconnecting":
            self._reconnects.labels(source).inc()

    def count_viewers(self, channel: str, change: int) -> None:
        """Count viewers that come (1) or leave (-1)."""
        self._viewers.labels(channel).inc(change)

    def count_sent(self, channel: str) -> None:
        """Count a frame that was sent to a viewer."""
        self._sent.labels(channel).inc()

    def forget(self, source_index: int) -> None:
        """Leave a source out from now on."""
        source = str(source_index)
        for metric in (self._frames, self._dropped, self._latency, self._reconnects, self._live):
            with suppress(KeyError):  # of older versions, where nothing was counted yet
                metric.remove(source)
        for class_name in self._classes.pop(source, ()):
            self._instances.remove(source, class_name)

    def text(self) -> bytes:
        """All metrics."""
        return prometheus.generate_latest(self._registry)

"""The pipeline of a frame from image to result: network, grouping, tracking.

There are two pipelines. On the CPU the network runs in threads, on several frames of a file at the
same time, and numpy groups the pixels in the thread that fetches the segments. A device
(``runtime/cuda.py``, ``vehicle/runtime.py``) runs both.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import Protocol, TypeAlias

import numpy as np

from streamseg.config import ModelConfig
from streamseg.frame import Frame
from streamseg.grouping.cpu import (
    GroupingConfig,
    find_segments,
    one_blas_thread,
    reaches_threshold,
)
from streamseg.results import FrameResult, Instance, NetworkOutput, Segments
from streamseg.runtime.base import GroupingRuntime, Pending
from streamseg.streaming.frame_network import FrameNetwork, ms_since
from streamseg.tracking import THUMBNAIL_SIZE, Tracker

RunNetwork: TypeAlias = Callable[[], tuple[NetworkOutput, float]]
"""Returns the network's output for a frame, and the milliseconds that it took."""


class Pipeline(Protocol):
    """Segments the frames of one stream."""

    ahead: int
    """Number of frames to have in flight while the user has a result."""

    def submit(self, frame: Frame, timings_ms: dict[str, float], *, alone: bool) -> Pending:
        """Submit a frame and return at once; at most ``ahead`` + 1 may be in flight.

        Args:
            frame: what to segment.
            timings_ms: ``preprocess`` is added to it before ``fetch`` returns.
            alone: whether the network takes this frame alone, for the least latency. Otherwise it
                works on several frames at the same time, for the most frames per second.
        """
        ...

    def wait_idle(self) -> None:
        """Wait until the network is idle; raises nothing."""
        ...

    def close(self) -> None:
        """Wait for the frames in the network, and end the threads of the pipeline.

        Frames in flight can be fetched, and more frames submitted.
        """
        ...


@dataclass(frozen=True)
class CpuPending:
    """A frame whose pixels are grouped in the thread that calls ``fetch``."""

    frame: Frame
    run_network: RunNetwork
    taus: tuple[float, ...]
    grouping: GroupingConfig

    def fetch(self) -> tuple[Segments, float, float]:
        """Wait for the network, and group the pixels; see ``Pending``."""
        output, network_ms = self.run_network()
        started = time.perf_counter()
        height, width = self.frame.height, self.frame.width
        with one_blas_thread():
            segments = find_segments(output, self.taus, self.grouping, height=height, width=width)
        return segments, network_ms, ms_since(started)


class CpuPipeline:
    """Runs the network in threads while earlier frames are grouped, tracked and used."""

    def __init__(
        self, network: FrameNetwork, grouping: GroupingConfig, *, use_threads: bool
    ) -> None:
        """Use a network; its threads start with the first frames.

        Args:
            network: on the CPU.
            grouping: which instances are kept.
            use_threads: whether to use threads. Without them, ``fetch`` runs the network.
        """
        self.ahead = network.at_once
        self._network = network
        self._grouping = grouping
        self._executor = ThreadPoolExecutor(network.at_once, "streamseg-network")
        self._running: list[Future[tuple[NetworkOutput, float]]] = []
        self._lock = Lock()
        self._use_threads = use_threads

    def submit(self, frame: Frame, timings_ms: dict[str, float], *, alone: bool) -> CpuPending:
        """Hand a frame to a thread of the network; see ``Pipeline``."""
        run: RunNetwork = partial(self._network.run, frame, timings_ms, alone=alone)
        with self._lock:  # another thread may be closing
            if self._use_threads:
                future = self._executor.submit(run)
                self._running = [other for other in self._running if not other.done()] + [future]
                run = future.result
        return CpuPending(frame, run, self._network.config.taus, self._grouping)

    def wait_idle(self) -> None:
        """Wait until the network has run on every submitted frame; ``fetch`` raises its errors."""
        wait(self._running)

    def close(self) -> None:
        """End the threads after the submitted frames."""
        with self._lock:
            self._use_threads = False
        self._executor.shutdown()


class DevicePipeline:
    """Hands frames to a runtime that groups on its own device."""

    ahead = 1

    def __init__(
        self, network: FrameNetwork, runtime: GroupingRuntime, grouping: GroupingConfig
    ) -> None:
        """Use the device of ``runtime``, which ``network`` also has."""
        self._network = network
        self._runtime = runtime
        self._grouping = grouping

    def submit(self, frame: Frame, timings_ms: dict[str, float], *, alone: bool) -> Pending:  # noqa: ARG002
        """Start the device on a frame; see ``Pipeline``. A device takes one frame after another."""
        image = self._network.image(frame, timings_ms)
        return self._runtime.submit(image, self._grouping, height=frame.height, width=frame.width)

    def wait_idle(self) -> None:
        """No-op: a device accepts a frame while it computes another."""

    def close(self) -> None:
        """No-op: other streams may use the device."""


def open_pipeline(
    network: FrameNetwork, grouping: GroupingConfig, *, use_threads: bool
) -> Pipeline:
    """Open a pipeline: on the device of the runtime if it groups there, else on the CPU.

    Args:
        network: with its runtime.
        grouping: which instances are kept.
        use_threads: see ``CpuPipeline``; a device needs none.
    """
    if isinstance(network.runtime, GroupingRuntime):
        return DevicePipeline(network, network.runtime, grouping)
    return CpuPipeline(network, grouping, use_threads=use_threads)


@dataclass(frozen=True)
class InFlight:
    """A frame in flight."""

    frame: Frame
    pending: Pending
    tracker: Tracker
    """The tracker of the frame's source."""
    timings_ms: dict[str, float]
    """Milliseconds of ``decode``, and of ``preprocess`` after ``pending.fetch``."""
    dropped: int = 0
    """Number of frames of the source that were dropped just before this one."""
    source: str = ""
    source_index: int = 0


def finish(in_flight: InFlight, config: ModelConfig) -> FrameResult:
    """Wait for a frame's instances, and name them.

    Instances below the score threshold of their class are left out, unless they continue a track.

    Args:
        in_flight: the frame; its tracker is updated.
        config: of the model: ``class_names`` and ``score_thresholds``.

    Raises:
        Exception: whatever the network or the grouping raised.
    """
    segments, network_ms, grouping_ms = in_flight.pending.fetch()
    frame = in_flight.frame
    started = time.perf_counter()
    is_streamed = bool(in_flight.source)  # an image in memory has no frame before it
    names = in_flight.tracker.update(
        segments,
        frame.pts_seconds,
        sure=reaches_threshold(segments, config.score_thresholds),
        thumbnail=frame.render(*THUMBNAIL_SIZE) if is_streamed else None,
    )
    segments = segments.select(np.array([name is not None for name in names], bool))
    tracks = [name for name in names if name is not None]
    tracking_ms = ms_since(started)
    instances = tuple(
        Instance(
            name=track.name,
            class_name=config.class_names[track.class_id - 1],
            class_id=track.class_id,
            track_id=track.track_id,
            is_confirmed=track.is_confirmed,
            score=float(segments.score[row]),
            box=tuple(segments.box[row].tolist()),
            area_px=int(segments.area_px[row]),
            seed_yx=tuple(segments.seed_yx[row].tolist()),
            tau=float(segments.tau[row]),
            embedding=segments.embedding[row],
            label=row + 1,
            label_map=segments.label_map,
        )
        for row, track in enumerate(tracks)
    )
    return FrameResult(
        frame=frame,
        label_map=segments.label_map,
        instances=instances,
        dropped=in_flight.dropped,
        timings_ms={
            **in_flight.timings_ms,
            "network": network_ms,
            "grouping": grouping_ms,
            "tracking": tracking_ms,
        },
        latency_ms=1e3 * (time.monotonic() - frame.captured_at),
        source=in_flight.source,
        source_index=in_flight.source_index,
    )

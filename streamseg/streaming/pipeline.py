"""The pipeline of a frame from image to result: network, grouping, tracking.

There are two pipelines. On the CPU the network runs in a thread, and numpy groups the pixels in the
thread that fetches the segments. A device (``runtime/cuda.py``, ``vehicle/runtime.py``) runs both.
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
from streamseg.frame import Frame, Image
from streamseg.grouping.cpu import (
    GroupingConfig,
    find_segments,
    one_blas_thread,
    reaches_threshold,
)
from streamseg.results import FrameResult, Instance, NetworkOutput, Segments
from streamseg.runtime.base import GroupingRuntime, Pending, Runtime
from streamseg.tracking import THUMBNAIL_SIZE, Tracker

RunNetwork: TypeAlias = Callable[[], tuple[NetworkOutput, float]]
"""Returns the network's output for a frame, and the milliseconds that it took."""


@dataclass(frozen=True)
class InFlight:
    """A frame in flight: submitted to a pipeline, not yet finished."""

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


class Pipeline(Protocol):
    """Segments the frames of one stream."""

    def submit(self, frame: Frame, timings_ms: dict[str, float]) -> Pending:
        """Submit a frame and return at once; at most two may be in flight.

        Args:
            frame: what to segment.
            timings_ms: ``preprocess`` is added to it before ``fetch`` returns.
        """
        ...

    def wait_idle(self) -> None:
        """Wait until the network is idle; raises nothing."""
        ...

    def close(self) -> None:
        """End the pipeline's thread. Frames in flight can be fetched, and more frames submitted."""
        ...


class FrameNetwork:
    """Runs a loaded network on one frame at a time; several threads take turns."""

    def __init__(
        self, runtime: Runtime, config: ModelConfig, size: tuple[int, int] | None = None
    ) -> None:
        """Use a loaded network.

        Args:
            runtime: a backend with the network.
            config: of the model.
            size: width and height of the network's input; by default it follows from ``config``.
        """
        self.runtime = runtime
        self.config = config
        self._size = size
        # streams have threads of their own, and single images run in that of the user
        self._turn = Lock()

    def image(self, frame: Frame, timings_ms: dict[str, float]) -> Image:
        """The frame at the size of the network's input; adds ``preprocess`` to ``timings_ms``."""
        started = time.perf_counter()
        size = self._size or self.config.input_size(frame.display_width, frame.height)
        image = frame.render(*size)
        timings_ms["preprocess"] = _ms_since(started)
        return image

    def run(self, frame: Frame, timings_ms: dict[str, float]) -> tuple[NetworkOutput, float]:
        """Run the network on a frame.

        Returns:
            Its output, and the milliseconds that it took.
        """
        image = self.image(frame, timings_ms)
        with self._turn:
            started = time.perf_counter()
            return self.runtime.run(image), _ms_since(started)


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
        return segments, network_ms, _ms_since(started)


class CpuPipeline:
    """Runs the network in a thread while earlier frames are grouped, tracked and used."""

    def __init__(
        self, network: FrameNetwork, grouping: GroupingConfig, *, use_thread: bool
    ) -> None:
        """Use a network; the thread starts with the first frame.

        Args:
            network: on the CPU.
            grouping: which instances are kept.
            use_thread: whether to use a thread. Without a thread, ``fetch`` runs the network.
        """
        self._network = network
        self._grouping = grouping
        self._executor = ThreadPoolExecutor(1, "streamseg-network")
        self._latest: Future[tuple[NetworkOutput, float]] | None = None
        self._lock = Lock()
        self._use_thread = use_thread

    def submit(self, frame: Frame, timings_ms: dict[str, float]) -> CpuPending:
        """Hand a frame to the network's thread; see ``Pipeline``."""
        run: RunNetwork = partial(self._network.run, frame, timings_ms)
        with self._lock:  # another thread may be closing
            if self._use_thread:
                self._latest = self._executor.submit(run)
                run = self._latest.result
        return CpuPending(frame, run, self._network.config.taus, self._grouping)

    def wait_idle(self) -> None:
        """Wait until the network has run on every submitted frame; ``fetch`` raises its errors."""
        if self._latest:
            wait([self._latest])

    def close(self) -> None:
        """End the thread after its submitted frames."""
        with self._lock:
            self._use_thread = False
        self._executor.shutdown()


class DevicePipeline:
    """Hands frames to a runtime that groups on its own device."""

    def __init__(
        self, network: FrameNetwork, runtime: GroupingRuntime, grouping: GroupingConfig
    ) -> None:
        """Use the device of ``runtime``, which ``network`` also has."""
        self._network = network
        self._runtime = runtime
        self._grouping = grouping

    def submit(self, frame: Frame, timings_ms: dict[str, float]) -> Pending:
        """Start the device on a frame; see ``Pipeline``."""
        image = self._network.image(frame, timings_ms)
        return self._runtime.submit(image, self._grouping, height=frame.height, width=frame.width)

    def wait_idle(self) -> None:
        """No-op: a device accepts a frame while it computes another."""

    def close(self) -> None:
        """No-op: other streams may use the device."""


def open_pipeline(network: FrameNetwork, grouping: GroupingConfig, *, use_thread: bool) -> Pipeline:
    """Open a pipeline: on the device of the runtime if it groups there, else on the CPU.

    Args:
        network: with its runtime.
        grouping: which instances are kept.
        use_thread: see ``CpuPipeline``; a device needs no thread.
    """
    if isinstance(network.runtime, GroupingRuntime):
        return DevicePipeline(network, network.runtime, grouping)
    return CpuPipeline(network, grouping, use_thread=use_thread)


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
    tracking_ms = _ms_since(started)
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


def _ms_since(started: float) -> float:
    return 1e3 * (time.perf_counter() - started)

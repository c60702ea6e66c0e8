"""One frame up to its instances: picture, network, grouping; not yet named."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import TypeAlias

from threadpoolctl import ThreadpoolController

from streamseg.closing import Closing
from streamseg.config import ModelConfig
from streamseg.grouping.cpu import GroupingConfig, find_segments
from streamseg.results import Frame, Image, NetworkOutput, Segments
from streamseg.runtime.base import GroupingRuntime, Pending, Runtime


@dataclass(frozen=True)
class Grouped:
    """The instances of a frame, and the time that each step took."""

    segments: Segments
    preprocess_ms: float
    network_ms: float
    grouping_ms: float


FetchGrouped: TypeAlias = Callable[[], Grouped]
"""Waits for a frame that was begun, and raises what failed in it."""


@dataclass(frozen=True)
class Seen:
    """What the network said of a frame, and the time that it took."""

    output: NetworkOutput
    preprocess_ms: float
    network_ms: float


class FrameSteps:
    """The steps for the frames of one segmenter."""

    def __init__(
        self,
        runtime: Runtime,
        config: ModelConfig,
        grouping: GroupingConfig,
        size: tuple[int, int] | None,
    ) -> None:
        """Use a loaded network.

        Args:
            runtime: the network.
            config: of the model.
            grouping: which instances are kept.
            size: width and height of the network's input; by default it follows from ``config``.
        """
        self._runtime = runtime
        self._config = config
        self._grouping = grouping
        self._size = size
        # streams of one segmenter may be taken by turns, and pictures segmented between
        self._network_turn = Lock()
        # threads of a BLAS spin on after each product and take the cores from the network
        self.blas = ThreadpoolController()

    def _picture(self, frame: Frame) -> Image:
        """What the network is to see of a frame."""
        size = self._size or self._config.input_size(frame.width, frame.height)
        return frame.render(*size)

    def see(self, frame: Frame) -> Seen:
        """Run the network; in any thread, one at a time."""
        started = time.perf_counter()
        picture = self._picture(frame)
        rendered = time.perf_counter()
        with self._network_turn:
            turned = time.perf_counter()
            output = self._runtime.run(picture)
            done = time.perf_counter()
        return Seen(output, 1e3 * (rendered - started), 1e3 * (done - turned))

    def group(self, frame: Frame, seen: Seen) -> Grouped:
        """Group the pixels of a frame in numpy."""
        started = time.perf_counter()
        with self.blas.limit(limits=1, user_api="blas"):
            segments = find_segments(
                seen.output,
                self._config.taus,
                self._grouping,
                height=frame.height,
                width=frame.width,
            )
        grouping_ms = 1e3 * (time.perf_counter() - started)
        return Grouped(segments, seen.preprocess_ms, seen.network_ms, grouping_ms)

    def submit(self, runtime: GroupingRuntime, frame: Frame) -> FetchGrouped:
        """Hand a frame to a device, which also groups it."""
        started = time.perf_counter()
        picture = self._picture(frame)
        preprocess_ms = 1e3 * (time.perf_counter() - started)
        pending = runtime.submit(picture, self._grouping, height=frame.height, width=frame.width)
        return partial(_fetched, pending, preprocess_ms)


class DeviceWork:
    """A device is at work on frames of one stream while others are made ready and used."""

    def __init__(self, steps: FrameSteps, runtime: GroupingRuntime) -> None:
        """Use a device."""
        self.begin = partial(steps.submit, runtime)

    def wait_until_free(self) -> None:
        """Not at all: a device takes a frame while it is at work on another."""

    def close(self) -> None:
        """The device goes on with other streams."""


class NetworkThread(Closing):
    """Runs the network for frames of one stream while those before are grouped and used."""

    def __init__(self, steps: FrameSteps) -> None:
        """Make ready; the thread starts with the first frame."""
        self._steps = steps
        self._executor = ThreadPoolExecutor(1, "streamseg-network")
        self._latest: Future[Seen] | None = None
        self._closing = Lock()
        self._is_closed = False

    def begin(self, frame: Frame) -> FetchGrouped:
        """Put a frame in the line; its pixels are grouped by whom fetches them."""
        with self._closing:
            if not self._is_closed:
                seen = self._latest = self._executor.submit(self._steps.see, frame)
                return lambda: self._steps.group(frame, seen.result())
        # another thread has closed the stream just now
        return lambda: self._steps.group(frame, self._steps.see(frame))

    def wait_until_free(self) -> None:
        """Wait until the network has seen all frames; errors come with the frames."""
        if self._latest:
            wait([self._latest])

    def close(self) -> None:
        """End the thread; what was begun is still finished."""
        with self._closing:
            self._is_closed = True
        self._executor.shutdown()


def _fetched(pending: Pending, preprocess_ms: float) -> Grouped:
    segments, network_ms, grouping_ms = pending.fetch()
    return Grouped(segments, preprocess_ms, network_ms, grouping_ms)

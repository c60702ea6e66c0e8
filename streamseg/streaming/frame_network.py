"""The network on frames: one at a time with all threads, or several that share the threads."""

from __future__ import annotations

import time
from threading import Lock, Semaphore
from typing import Final

from streamseg.config import ModelConfig
from streamseg.frame import Frame, Image
from streamseg.results import NetworkOutput
from streamseg.runtime.base import DivisibleRuntime, Runtime

MOST_AT_ONCE: Final = 8
"""Most frames that the network works on at the same time. Grouping and tracking, which run in one
thread, are no faster than eight networks."""


class FrameNetwork:
    """Runs a loaded network on single frames, or on several at the same time."""

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
        self.at_once = 1
        """Number of frames that the network can work on at the same time."""
        if isinstance(runtime, DivisibleRuntime):
            self.at_once = min(runtime.threads, MOST_AT_ONCE)
        self._divided: Runtime | None = None
        # streams have threads of their own, and single images run in that of the user
        self._turn, self._turns = Lock(), Semaphore(self.at_once)

    def image(self, frame: Frame, timings_ms: dict[str, float]) -> Image:
        """The frame at the size of the network's input; adds ``preprocess`` to ``timings_ms``."""
        started = time.perf_counter()
        size = self._size or self.config.input_size(frame.display_width, frame.height)
        image = frame.render(*size)
        timings_ms["preprocess"] = ms_since(started)
        return image

    def run(
        self, frame: Frame, timings_ms: dict[str, float], *, alone: bool = True
    ) -> tuple[NetworkOutput, float]:
        """Run the network on a frame.

        Args:
            frame: what to segment.
            timings_ms: ``preprocess`` is added to it.
            alone: whether the frame gets all threads; otherwise it shares them with other frames.

        Returns:
            Its output, and the milliseconds that it took.
        """
        image = self.image(frame, timings_ms)
        runtime = self.runtime if alone else self._for_several()
        with self._turn if runtime is self.runtime else self._turns:
            started = time.perf_counter()
            return runtime.run(image), ms_since(started)

    def _for_several(self) -> Runtime:
        """The network for ``at_once`` frames at the same time."""
        if self.at_once == 1 or not isinstance(self.runtime, DivisibleRuntime):
            return self.runtime
        if self._divided is None:  # a frame does not wait for a single image
            with self._turn:
                self._divided = self._divided or self.runtime.divided(self.at_once)
        return self._divided


def ms_since(started: float) -> float:
    """Milliseconds since a time of ``time.perf_counter``."""
    return 1e3 * (time.perf_counter() - started)

"""Frames in flight: submitted to a pipeline, and not yet finished."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from functools import partial
from threading import Condition

from streamseg.frame import Frame
from streamseg.results import Segments
from streamseg.runtime.base import Pending
from streamseg.streaming.lanes import Lane, Lanes
from streamseg.streaming.pipeline import InFlight, Pipeline


class InFlightQueue:
    """The frames in flight of a stream, oldest first. One thread submits and takes them.

    A frame is in flight before the pipeline has accepted it, so that it can be discarded meanwhile.
    """

    def __init__(self, pipeline: Pipeline, lanes: Lanes, changed: Condition) -> None:
        """Start empty.

        Args:
            pipeline: accepts the frames.
            lanes: the sources of the frames.
            changed: guards ``lanes``; notified when frames may be taken again after a pause.
        """
        self._pipeline = pipeline
        self._lanes = lanes
        self._changed = changed
        self._frames: deque[InFlight] = deque()

    def take(self) -> InFlight | None:
        """Take the oldest frame in flight; without one, submit the next frame and take that.

        Waits for a frame, and while the stream is paused.

        Returns:
            The frame; None at the end.

        Raises:
            SourceError: see ``Lanes.take``.
        """
        lanes = self._lanes
        while True:
            with self._changed:
                self._changed.wait_for(lambda: not lanes.is_paused or lanes.is_stopped)
                if self._frames:
                    return self._frames.popleft()
            if not self._submit_next(wait=True):
                return None

    def submit_ahead(self, *, is_user_slow: bool) -> None:
        """Submit the frames that the network works on while the user has the next result.

        Args:
            is_user_slow: whether the user had the latest result for longer than the network takes.
        """
        ahead = self._pipeline.ahead
        with self._changed:
            any_live = self._lanes.any_live
        if any_live:
            if is_user_slow:
                return  # the result would be stale before the user takes it
            # submit when the network is idle: the newest frame then does not wait for it
            self._pipeline.wait_idle()
            ahead = 1
        with self._changed:
            missing = ahead - len(self._frames)
        for _ in range(missing):
            if not self._submit_next(wait=False):
                return

    def discard(self, lane: Lane, most: int | None = None) -> int:
        """Discard frames of a source, oldest first; callers hold the condition.

        ``dropped`` of the next frame of the source counts them.

        Args:
            lane: the source.
            most: at most this number of frames; all if None.

        Returns:
            Number of frames that were discarded.
        """
        frames, self._frames = self._frames, deque()
        count = dropped = 0
        for in_flight in frames:
            if in_flight.source_index != lane.index:
                self._frames.append(in_flight)
            elif most is None or count < most:
                count += 1
                dropped += 1 + in_flight.dropped
            else:
                self._frames.append(replace(in_flight, dropped=dropped + in_flight.dropped))
                dropped = 0
        lane.dropped += dropped
        return count

    def clear(self) -> None:
        """Discard all frames, and count none; callers hold the condition."""
        self._frames.clear()

    def _submit_next(self, *, wait: bool) -> bool:
        """Submit the next frame; False if there is none, see ``Lanes.take``."""
        with self._changed:
            taken = self._lanes.take(wait=wait)
            if taken is None:
                return False
            lane, (frame, dropped, decode_ms) = taken
            timings_ms = {"decode": decode_ms}
            submission = _Submission(self._pipeline, frame, timings_ms, self._lanes.any_live)
            self._frames.append(
                InFlight(
                    frame, submission, lane.tracker, timings_ms, dropped, lane.name, lane.index
                )
            )
        submission.start()
        return True


class _Submission:
    """Stands for the pending segments of a frame before the pipeline has accepted it."""

    def __init__(
        self, pipeline: Pipeline, frame: Frame, timings_ms: dict[str, float], alone: bool
    ) -> None:
        """Submit nothing yet; for the arguments see ``Pipeline.submit``."""
        self._submit = partial(pipeline.submit, frame, timings_ms, alone=alone)
        self._pending: Pending | None = None
        self._error: Exception | None = None

    def start(self) -> None:
        """Submit the frame; ``fetch`` raises the error, after the results of earlier frames."""
        try:
            self._pending = self._submit()
        except Exception as error:
            self._error = error

    def fetch(self) -> tuple[Segments, float, float]:
        """Wait for the segments of the frame; see ``Pending``."""
        if self._error is not None:
            raise self._error
        if self._pending is None:  # Ctrl-C has interrupted ``start``
            self._pending = self._submit()
        return self._pending.fetch()

"""The network works ahead of the loop, without making results of cameras stale."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from itertools import islice

import numpy as np
import pytest
from camera_servers import http_camera, number_in, wait_until
from colour_runtime import ColourDevice, ColourRuntime
from slow_streams import (
    QUICK,
    REALTIME,
    SlowRuntime,
    frames_of,
    pattern,
    slow_segmenter,
    source_of,
)

from streamseg.frame import Frame, Image
from streamseg.grouping.cpu import GroupingConfig
from streamseg.results import FrameResult, NetworkOutput
from streamseg.runtime.base import Pending
from streamseg.segmenter import Segmenter

pytestmark = pytest.mark.usefixtures("first_use_is_over", "no_thread_is_left")


class AheadRuntime(ColourDevice):
    """Counts the images in flight."""

    submitted = fetched = most_in_flight = 0

    def submit(self, image: Image, grouping: GroupingConfig, *, height: int, width: int) -> Pending:
        self.submitted += 1
        self.most_in_flight = max(self.most_in_flight, self.submitted - self.fetched)
        return super().submit(image, grouping, height=height, width=width)

    def run(self, image: Image) -> NetworkOutput:
        self.fetched += 1
        return super().run(image)


@pytest.mark.timing
def test_results_show_what_the_camera_sees_now() -> None:
    with http_camera(fps=60) as camera:
        stream = slow_segmenter(0.1).stream(camera.url, options=QUICK)
        for result in islice(stream, 3, 8):
            age = time.monotonic() - camera.sent_at[number_in(result.image)]
            assert age < 0.35
        stream.close()


@pytest.mark.parametrize("is_slow_in_hook", [False, True])
def test_a_slow_user_of_a_camera_gets_no_stale_result(is_slow_in_hook: bool) -> None:
    class Counting(SlowRuntime):
        started = 0

        def run(self, image: Image) -> NetworkOutput:
            self.started += 1
            return super().run(image)

    def be_slower_than_the_network(result: FrameResult) -> None:
        time.sleep(2e-3 * result.timings_ms["network"])

    runtime = Counting(0.02)
    segmenter = Segmenter(runtime, size=(160, 96))
    on_result = be_slower_than_the_network if is_slow_in_hook else None
    prefetched = []
    source = pattern(100_000, fps=200)
    with segmenter.stream(source, options=REALTIME, on_result=on_result) as stream:
        for number, result in enumerate(islice(stream, 8), 1):
            if not is_slow_in_hook:
                be_slower_than_the_network(result)
            prefetched.append(runtime.started - number)
    # how slow the user is, is known from the second result on
    assert prefetched == [1] + 7 * [0]


def test_a_device_works_ahead_but_no_result_waits_for_the_next_frame_of_a_camera() -> None:
    runtime = AheadRuntime()
    segmenter = Segmenter(runtime, size=(160, 96))
    assert [r.index for r in segmenter.stream(pattern(50))] == list(range(50))
    assert (runtime.submitted, runtime.fetched, runtime.most_in_flight) == (50, 50, 2)

    is_taken = threading.Event()
    in_time = []

    def read(frames: list[Frame]) -> Generator[Frame, None, None]:
        for frame in frames:
            yield frame
            in_time.append(is_taken.wait(10))
            is_taken.clear()

    indices = []
    for result in segmenter.stream(source_of(read(frames_of(pattern(4)))), policy="latest"):
        indices.append(result.index)
        is_taken.set()
    assert (indices, in_time) == (list(range(4)), [True] * 4)


def test_on_a_cpu_the_network_works_ahead_and_nothing_is_lost_or_changed() -> None:
    class Noting(SlowRuntime):
        started = 0
        is_running = False

        def run(self, image: Image) -> NetworkOutput:
            assert not self.is_running
            self.is_running = True
            self.started += 1
            output = super().run(image)
            self.is_running = False
            return output

    runtime = Noting(0.005)
    segmenter = Segmenter(runtime, size=(160, 96))
    results = []
    for result in segmenter.stream(pattern(30)):
        results.append(result)
        wait_until(lambda: runtime.started == min(30, len(results) + 1))
    assert [r.index for r in results] == list(range(30))
    for result in results:
        alone = segmenter(result.image)
        assert np.array_equal(alone.label_map, result.label_map)
        assert [i.box for i in alone.instances] == [i.box for i in result.instances]


class FailingNetwork(ColourRuntime):
    """Fails on the fourth image."""

    runs = 0

    def run(self, image: Image) -> NetworkOutput:
        self.runs += 1
        if self.runs == 4:
            raise ZeroDivisionError
        return super().run(image)


class FailingDevice(ColourDevice):
    """Does not accept the fourth image."""

    submitted = 0

    def submit(self, image: Image, grouping: GroupingConfig, *, height: int, width: int) -> Pending:
        self.submitted += 1
        if self.submitted == 4:
            raise ZeroDivisionError
        return super().submit(image, grouping, height=height, width=width)


@pytest.mark.parametrize("runtime_class", [FailingNetwork, FailingDevice])
def test_an_error_of_the_network_comes_with_its_frame(runtime_class: type[ColourRuntime]) -> None:
    stream = Segmenter(runtime_class(), size=(160, 96)).stream(pattern(6))
    assert [r.index for r in islice(stream, 3)] == [0, 1, 2]
    with pytest.raises(ZeroDivisionError):
        next(stream)
    assert [r.index for r in stream] == [4, 5]


def test_a_stream_goes_on_with_the_frame_whose_submission_ctrl_c_interrupted() -> None:
    class Interrupted(ColourDevice):
        submitted = 0

        def submit(
            self, image: Image, grouping: GroupingConfig, *, height: int, width: int
        ) -> Pending:
            self.submitted += 1
            if self.submitted == 4:
                raise KeyboardInterrupt
            return super().submit(image, grouping, height=height, width=width)

    stream = Segmenter(Interrupted(), size=(160, 96)).stream(pattern(6))
    with pytest.raises(KeyboardInterrupt):
        list(stream)
    assert [result.index for result in stream][-3:] == [3, 4, 5]


def test_an_image_may_be_segmented_while_a_stream_works_ahead() -> None:
    class Single(SlowRuntime):
        running = most_running = 0

        def run(self, image: Image) -> NetworkOutput:
            self.running += 1
            self.most_running = max(self.most_running, self.running)
            output = super().run(image)
            self.running -= 1
            return output

    runtime = Single(0.01)
    segmenter = Segmenter(runtime, size=(160, 96))
    for result in segmenter.stream(pattern(5)):
        segmenter(result.image)
    assert runtime.most_running == 1

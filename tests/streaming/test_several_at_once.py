"""The network works on several frames of a file at the same time, and on one frame of a camera."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from threading import Condition

import numpy as np
import pytest
from camera_servers import wait_until
from colour_runtime import ColourRuntime
from slow_streams import REALTIME, SlowRuntime, pattern

from streamseg import StreamEvent
from streamseg.frame import Frame, Image
from streamseg.loading import SHIPPED_MODEL
from streamseg.results import NetworkOutput, Segments
from streamseg.runtime.base import DivisibleRuntime, Pending, Runtime
from streamseg.runtime.onnx import OnnxRuntime
from streamseg.segmenter import Segmenter
from streamseg.streaming.frame_network import MOST_AT_ONCE
from streamseg.streaming.in_flight import InFlightQueue
from streamseg.streaming.lanes import Lane, Lanes
from streamseg.tracking import Tracker
from streamseg.video.events import Announcer
from streamseg.video.frame_buffer import Policy
from streamseg.video.prefetch import Prefetch
from streamseg.video.source import open_source

pytestmark = pytest.mark.usefixtures("first_use_is_over", "no_thread_is_left")


class Counting(SlowRuntime):
    """Counts the images that it works on at the same time."""

    def __init__(self, threads: int, seconds: float = 0.01) -> None:
        super().__init__(seconds)
        self.threads = threads
        self.started = self.running = self.most_running = 0
        self._lock = threading.Lock()

    def run(self, image: Image) -> NetworkOutput:
        with self._lock:
            self.started += 1
            self.running += 1
            self.most_running = max(self.most_running, self.running)
        output = super().run(image)
        with self._lock:
            self.running -= 1
        return output


class Divisible(Counting):
    """A network with threads that images can share."""

    divided_by: int | None = None
    part: Counting

    def divided(self, count: int) -> Runtime:
        assert self.divided_by is None  # once for all streams
        self.divided_by = count
        self.part = Counting(self.threads // count, self.seconds)
        return self.part


@pytest.mark.parametrize(("threads", "at_once"), [(1, 1), (2, 2), (3, 3), (24, MOST_AT_ONCE)])
def test_frames_of_a_file_share_the_threads(threads: int, at_once: int) -> None:
    runtime = Divisible(threads, seconds=0.05)
    assert isinstance(runtime, DivisibleRuntime)
    segmenter = Segmenter(runtime, size=(160, 96))
    results = list(segmenter.stream(pattern(24)))
    assert [result.index for result in results] == list(range(24))
    if at_once == 1:
        assert runtime.divided_by is None
    else:
        assert (runtime.divided_by, runtime.started, runtime.part.started) == (at_once, 0, 24)
        assert runtime.part.most_running == at_once
        assert runtime.part.threads == threads // at_once
    expected = Segmenter(ColourRuntime(), size=(160, 96)).stream(pattern(24))
    for ours, theirs in zip(results, expected, strict=True):
        assert np.array_equal(ours.label_map, theirs.label_map)
        assert [i.name for i in ours.instances] == [i.name for i in theirs.instances]
    list(segmenter.stream(pattern(2)))


def test_a_frame_of_a_camera_and_a_single_image_have_all_threads() -> None:
    runtime = Divisible(4)
    segmenter = Segmenter(runtime, size=(160, 96))
    results = list(segmenter.stream(pattern(6, fps=1000), options=REALTIME, policy="latest"))
    segmenter(results[0].image)
    assert runtime.divided_by is None
    assert (runtime.started, runtime.most_running) == (len(results) + 1, 1)


def test_skip_drops_the_frames_in_flight_first() -> None:
    stream = Segmenter(Divisible(4), size=(160, 96)).stream(pattern(20))
    next(stream)
    time.sleep(0.1)
    assert next(stream).index == 1  # 2, 3, 4 and 5 are in flight
    stream.skip(3)
    five = next(stream)
    assert (five.index, five.dropped) == (5, 3)
    stream.skip(6)
    twelve = next(stream)
    assert (twelve.index, twelve.dropped) == (12, 6)
    assert [result.index for result in stream] == list(range(13, 20))


class Accepting:
    """A pipeline that segments nothing."""

    ahead = 5

    def submit(self, frame: Frame, timings_ms: dict[str, float], *, alone: bool) -> Pending:
        class Never:
            def fetch(self) -> tuple[Segments, float, float]:
                raise AssertionError

        return Never()

    def wait_idle(self) -> None:
        pass

    def close(self) -> None:
        pass


def test_frames_in_flight_are_discarded_oldest_first_and_counted() -> None:
    events: list[StreamEvent] = []
    changed = Condition()
    lanes = Lanes(changed, stays_open=False)
    for index in range(2):  # frames 0, 2 and 4 of each
        announce = Announcer("", index, events.append)
        frames = Prefetch(open_source(pattern(5)), 3, Policy(every=2), changed, announce)
        lanes.active.append(Lane(index, "", frames, Tracker(("car",))))
    zero, one = lanes.active
    wait_until(lambda: len(events) == 2)  # both have ended
    queue = InFlightQueue(Accepting(), lanes, changed)
    queue.submit_ahead(is_user_slow=False)
    assert queue.discard(zero, 0) == 0
    assert queue.discard(zero, 1) == 1
    taken = [in_flight for in_flight in (queue.take(), queue.take()) if in_flight is not None]
    found = [(f.source_index, f.frame.index, f.dropped) for f in taken]
    assert found == [(1, 0, 0), (0, 2, 2)]  # 2: frames 0 and 1
    assert queue.discard(zero) == 1
    assert (zero.dropped, one.dropped) == (2, 0)  # frames 3 and 4
    last = queue.take()
    assert last is not None
    assert (last.source_index, last.frame.index) == (1, 2)
    for lane in (zero, one):
        lane.frames.close()


def test_the_first_frame_of_an_added_camera_has_all_threads() -> None:
    runtime = Divisible(4)
    with Segmenter(runtime, size=(160, 96)).stream([], stays_open=True) as stream:
        threading.Timer(0.05, lambda: stream.add(open_source(pattern(5), REALTIME))).start()
        assert next(stream).index == 0
    assert runtime.divided_by is None


def openvino_runtime(path: Path, *, threads: int) -> Runtime:
    return pytest.importorskip("streamseg.runtime.openvino").OpenVinoRuntime(  # type: ignore[no-any-return]
        path, threads=threads, classes="voc", precision="f32"
    )


def onnx_runtime(path: Path, *, threads: int) -> Runtime:
    return OnnxRuntime(path, threads=threads, classes="voc")


@pytest.mark.parametrize("load", [onnx_runtime, openvino_runtime])
def test_a_divided_network_gives_the_same_outputs_to_several_threads(
    load: Callable[..., Runtime],
) -> None:
    whole = load(SHIPPED_MODEL, threads=2)
    assert isinstance(whole, DivisibleRuntime)
    assert whole.threads == 2
    part = whole.divided(2)
    assert part.config == whole.config
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (64, 96, 3), dtype=np.uint8) for _ in range(6)]
    found: dict[int, NetworkOutput] = {}

    def run(numbers: range) -> None:
        for number in numbers:
            found[number] = part.run(images[number])

    threads = [threading.Thread(target=run, args=(range(n, 6, 2),)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, image in enumerate(images):
        expected = whole.run(image)
        for name in ("embeddings", "foreground", "classes"):
            ours, theirs = getattr(found[number], name), getattr(expected, name)
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)

"""Policies, several sources, control from other threads, asyncio."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Generator, Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from camera_servers import http_camera, number_in, rtsp_camera, wait_until
from colour_runtime import ColourRuntime
from media import write_video

import streamseg
from streamseg import SourceOptions, Stream, StreamEvent
from streamseg.grouping.cpu import GroupingConfig, find_segments
from streamseg.results import Frame, FrameResult, Image, NetworkOutput, Segments
from streamseg.runtime.base import Pending
from streamseg.segmenter import Segmenter
from streamseg.video.base import Source
from streamseg.video.source import open_source

QUICK = SourceOptions(timeout_seconds=2, first_delay_seconds=0.05, longest_delay_seconds=0.2)
REALTIME = SourceOptions(realtime=True)


class SlowRuntime(ColourRuntime):
    """Takes its time for each image."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def run(self, image: Image) -> NetworkOutput:
        time.sleep(self.seconds)
        return super().run(image)


class AheadRuntime(ColourRuntime):
    """As on a device, an image is under way while the next one is made ready."""

    under_way = most_under_way = 0

    def submit(self, image: Image, grouping: GroupingConfig, *, height: int, width: int) -> Pending:
        runtime = self
        runtime.under_way += 1
        runtime.most_under_way = max(runtime.most_under_way, runtime.under_way)

        class InFlight:
            def fetch(self) -> tuple[Segments, float, float]:
                runtime.under_way -= 1
                output, taus = runtime.run(image), runtime.config.taus
                return find_segments(output, taus, grouping, height=height, width=width), 0, 0

        return InFlight()

    def close(self) -> None:
        pass


def slow_segmenter(seconds: float) -> Segmenter:
    return Segmenter(SlowRuntime(seconds), size=(160, 96))


@pytest.fixture(autouse=True, scope="module")
def first_use_is_over() -> None:
    """What is imported with the first frame takes longer than some frames here."""
    slow_segmenter(0)(np.zeros((96, 160, 3), np.uint8))


@pytest.fixture
def segmenter() -> Segmenter:
    return slow_segmenter(0)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    wait_until(lambda: not [t for t in threading.enumerate() if t.name.startswith("streamseg")])


def pattern(frames: int, fps: int = 25) -> str:
    return f"test-pattern:160x96@{fps}?frames={frames}"


def test_a_slow_consumer_of_a_live_source_gets_the_newest_frame_and_the_losses_counted() -> None:
    options = SourceOptions(realtime=True)
    results = list(slow_segmenter(0.1).stream(pattern(60, 100), options=options))
    assert 2 <= len(results) <= 8
    expected = -1
    for result in results:
        expected += 1 + result.dropped
        assert result.index == expected
    assert results[-1].index == 59
    # from its arrival to its result: its own 100 ms and a frame's period of waiting
    assert max(result.latency_ms for result in results[1:]) < 350


def test_a_live_source_loses_nothing_if_so_wished() -> None:
    results = slow_segmenter(0.01).stream(pattern(30, 200), policy="all", options=REALTIME)
    assert [(r.index, r.dropped) for r in results] == [(i, 0) for i in range(30)]


def test_every_third_frame_of_a_file(tmp_path: Path, segmenter: Segmenter) -> None:
    path = write_video(tmp_path / "a.mp4")
    results = list(segmenter.stream(path, policy="every=3"))
    assert [r.index for r in results] == list(range(0, 25, 3))
    assert [r.dropped for r in results] == [0] + [2] * 8


@pytest.mark.parametrize("policy", ["newest", "every=0", "every=", "every=-1", ""])
def test_other_policies_are_refused(segmenter: Segmenter, policy: str) -> None:
    with pytest.raises(streamseg.ConfigError, match=r"latest, all or every=N.*got"):
        segmenter.stream(pattern(1), policy=policy)


@pytest.mark.timing
def test_a_file_in_real_time_takes_its_own_time(segmenter: Segmenter) -> None:
    started = time.monotonic()
    results = list(segmenter.stream(pattern(11, 25), options=REALTIME))
    assert 0.38 < time.monotonic() - started < 3
    assert results[-1].index == 10


def test_sources_are_served_in_turn_and_named(segmenter: Segmenter, tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4")
    with open_source(pattern(80)) as opened:
        stream = segmenter.stream([pattern(100), path, opened])
        results = list(stream)
    assert Counter(r.source_index for r in results) == {0: 100, 1: 25, 2: 80}
    assert {r.source_index: r.source for r in results} == {
        0: pattern(100),
        1: str(path),
        2: pattern(80),
    }
    for index in range(3):
        indices = [r.index for r in results if r.source_index == index]
        assert indices == list(range(len(indices)))
    # while both have frames nobody is left behind
    both = [r.source_index for r in results if r.source_index != 1][30:110]
    assert abs(both.count(0) - both.count(2)) < 30


def test_the_death_of_one_camera_leaves_the_others_alone(segmenter: Segmenter) -> None:
    events: list[StreamEvent] = []
    options = SourceOptions(retries=2, first_delay_seconds=0.05, longest_delay_seconds=0.1)
    with rtsp_camera() as a, rtsp_camera() as b, http_camera() as c:
        urls = [a.url, b.url, c.url]
        seen: Counter[int] = Counter()
        after: Counter[int] = Counter()
        with segmenter.stream(urls, options=options, on_event=events.append) as stream:
            for result in stream:
                assert result.source == urls[result.source_index]
                seen[result.source_index] += 1
                if len(seen) == 3 and not after:
                    b.kill()
                    after.update([result.source_index])
                if [e for e in events if e.state == "ended"]:
                    after.update([result.source_index])
                    if after[0] > 10 and after[2] > 10:
                        break
    (ended,) = [event for event in events if event.state == "ended" and event.error]
    assert (ended.source_index, ended.source) == (1, b.url)
    assert isinstance(ended.error, streamseg.SourceError)
    assert not [e for e in events if e.state == "lost" and e.source_index != 1]


def test_of_several_sources_one_that_never_was_is_told_and_no_error(segmenter: Segmenter) -> None:
    events: list[StreamEvent] = []
    results = list(segmenter.stream([pattern(3), "nowhere.mp4"], on_event=events.append))
    assert len(results) == 3
    (failed,) = [event for event in events if event.error]
    assert (failed.source, failed.state) == ("nowhere.mp4", "ended")


def test_several_sources_of_which_none_gives_a_frame_are_an_error(segmenter: Segmenter) -> None:
    with pytest.raises(streamseg.SourceError, match="nowhere"):
        list(segmenter.stream(["nowhere.mp4", "nowhere.png"]))
    with pytest.raises(streamseg.InputError, match="no source in the list"):
        segmenter.stream([])
    for data in (b"clip.mp4", bytearray(b"\0"), memoryview(b"\0"), np.zeros((2, 2, 3), np.uint8)):
        with pytest.raises(streamseg.InputError, match=f"got {type(data).__name__}"):
            segmenter.stream(data)
    with pytest.raises(streamseg.InputError, match="got float"):
        segmenter.stream([0.5])  # type: ignore[list-item]


def test_an_error_in_the_callback_comes_out_of_the_loop(segmenter: Segmenter) -> None:
    def fail(event: StreamEvent) -> None:
        if event.state == "ended":
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(segmenter.stream(pattern(2), on_event=fail))


def test_a_hook_sees_every_result_just_before_the_loop(segmenter: Segmenter) -> None:
    seen: list[FrameResult] = []
    for result in segmenter.stream("test-pattern:96x64@25?frames=5", on_result=seen.append):
        assert seen[-1] is result
        assert result.source == "test-pattern:96x64@25?frames=5"
    assert [result.index for result in seen] == [0, 1, 2, 3, 4]


def test_an_error_in_the_hook_comes_out_of_the_loop(segmenter: Segmenter) -> None:
    def refuse(result: FrameResult) -> None:
        raise ValueError(f"frame {result.index}")

    with (
        segmenter.stream("test-pattern:96x64@25?frames=5", on_result=refuse) as stream,
        pytest.raises(ValueError, match="frame 0"),
    ):
        next(stream)


def test_sources_come_and_go_while_it_runs(segmenter: Segmenter) -> None:
    stream = segmenter.stream([pattern(100_000)])
    assert next(stream).source_index == 0
    added = stream.add(pattern(100_000))
    assert added == 1
    while next(stream).source_index != 1:
        pass
    stream.remove(0)
    last = [next(stream).source_index for _ in range(10)]
    assert last[-8:] == [1] * 8
    stream.remove(1)
    assert list(islice(stream, 5))[4:] == []


def test_pause_resume_and_skip_from_another_thread(segmenter: Segmenter) -> None:
    stream = segmenter.stream(pattern(100_000))
    assert next(stream).index == 0
    stream.skip(5)
    result = next(stream)
    assert (result.index, result.dropped) == (6, 5)
    stream.pause()
    threading.Timer(0.2, stream.resume).start()
    started = time.monotonic()
    assert next(stream).index == 7
    assert time.monotonic() - started > 0.15
    stream.close()
    assert list(stream) == []


@pytest.mark.timing
def test_a_paused_camera_is_read_on_and_resumes_with_the_present(segmenter: Segmenter) -> None:
    with segmenter.stream(pattern(1000, 100), options=REALTIME) as stream:
        next(stream)
        stream.pause()
        threading.Timer(0.3, stream.resume).start()
        result = next(stream)
    assert 20 < result.dropped < 60
    assert result.latency_ms < 250


@pytest.mark.timing
def test_stop_ends_a_wait_for_a_silent_camera(segmenter: Segmenter) -> None:
    with http_camera() as camera:
        stream = segmenter.stream(camera.url, options=SourceOptions(timeout_seconds=5))
        next(stream)
        camera.stalled = True
        threading.Timer(0.2, stream.stop).start()
        started = time.monotonic()
        list(stream)
        assert time.monotonic() - started < 4
        camera.stalled = False


@pytest.mark.parametrize("way", ["break", "with", "close", "raise"])
def test_every_way_out_closes_the_camera(segmenter: Segmenter, way: str) -> None:
    def watch(url: str) -> None:
        if way == "break":
            for _ in segmenter.stream(url, options=QUICK):
                break
        elif way == "with":
            with segmenter.stream(url, options=QUICK) as stream:
                next(stream)
        elif way == "close":
            stream = segmenter.stream(url, options=QUICK)
            next(stream)
            stream.close()
        else:
            with pytest.raises(ZeroDivisionError):
                for _ in segmenter.stream(url, options=QUICK):
                    raise ZeroDivisionError

    with http_camera() as camera:
        watch(camera.url)
        wait_until(lambda: camera.viewers == 0, 1)


@pytest.mark.timing
def test_results_show_what_the_camera_sees_now() -> None:
    with http_camera(fps=60) as camera:
        stream = slow_segmenter(0.1).stream(camera.url, options=QUICK)
        for result in islice(stream, 3, 8):
            age = time.monotonic() - camera.sent_at[number_in(result.image)]
            assert age < 0.35
        stream.close()


@pytest.mark.timing
@pytest.mark.parametrize("is_slow_in_hook", [False, True])
def test_a_slow_user_of_a_camera_gets_no_result_that_has_lain_about(is_slow_in_hook: bool) -> None:
    segmenter = Segmenter(SlowRuntime(0.02))
    in_hook, in_loop = (0.3, 0.0) if is_slow_in_hook else (0.0, 0.3)
    ages = []
    for result in segmenter.stream(
        pattern(60), options=REALTIME, on_result=lambda _: time.sleep(in_hook)
    ):
        ages.append(result.latency_ms)
        time.sleep(in_loop)
    assert len(ages) > 4
    assert np.median(ages[2:]) < 150


@pytest.mark.timing
def test_a_device_works_ahead_but_no_result_waits_for_the_next_frame_of_a_camera() -> None:
    runtime = AheadRuntime()
    segmenter = Segmenter(runtime, size=(160, 96))
    assert [r.index for r in segmenter.stream(pattern(50))] == list(range(50))
    assert (runtime.under_way, runtime.most_under_way) == (0, 2)
    results = list(segmenter.stream(pattern(4, fps=2), options=REALTIME))
    assert [r.index for r in results] == list(range(4))
    assert max(r.latency_ms for r in results) < 400


@pytest.mark.timing
def test_on_a_cpu_the_network_works_ahead_and_nothing_is_lost_or_changed() -> None:
    class Noting(SlowRuntime):
        under_way = False

        def run(self, image: Image) -> NetworkOutput:
            assert not self.under_way
            self.under_way = True
            output = super().run(image)
            self.under_way = False
            return output

    segmenter = Segmenter(Noting(0.02), size=(160, 96))
    started = time.monotonic()
    results = []
    for result in segmenter.stream(pattern(30)):
        time.sleep(0.02)
        results.append(result)
    spent = time.monotonic() - started
    assert [r.index for r in results] == list(range(30))
    assert spent < 30 * 0.04
    for result in results:
        alone = segmenter(result.image)
        assert np.array_equal(alone.label_map, result.label_map)
        assert [i.box for i in alone.instances] == [i.box for i in result.instances]


def test_an_error_of_the_network_comes_with_its_frame() -> None:
    class Failing(ColourRuntime):
        runs = 0

        def run(self, image: Image) -> NetworkOutput:
            self.runs += 1
            if self.runs == 4:
                raise ZeroDivisionError
            return super().run(image)

    stream = Segmenter(Failing(), size=(160, 96)).stream(pattern(6))
    assert [r.index for r in islice(stream, 3)] == [0, 1, 2]
    with pytest.raises(ZeroDivisionError):
        next(stream)
    assert [r.index for r in stream] == [4, 5]


def test_an_image_may_be_segmented_while_a_stream_works_ahead() -> None:
    class Single(SlowRuntime):
        under_way = most_under_way = 0

        def run(self, image: Image) -> NetworkOutput:
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
            output = super().run(image)
            self.under_way -= 1
            return output

    runtime = Single(0.01)
    segmenter = Segmenter(runtime, size=(160, 96))
    for result in segmenter.stream(pattern(5)):
        segmenter(result.image)
    assert runtime.most_under_way == 1


def test_what_was_begun_is_not_given_after_stop_or_remove(segmenter: Segmenter) -> None:
    stream = segmenter.stream(pattern(100))
    next(stream)
    time.sleep(0.1)
    next(stream)
    stream.stop()
    assert list(stream) == []
    stream = segmenter.stream([pattern(100), pattern(100)])
    first = {next(stream).source_index for _ in range(10)}
    assert first == {0, 1}
    stream.remove(0)
    assert {r.source_index for r in stream} == {1}


def test_the_frame_before_the_error_of_a_file_is_given_first() -> None:
    class Broken(Source):
        def __init__(self) -> None:
            with open_source(pattern(3)) as opened:
                frames = list(opened)
            super().__init__(
                self._read(frames),
                "broken",
                time_base=Fraction(1, 25),
                average_rate=None,
                frame_count=3,
                duration_seconds=None,
            )

        def _read(self, frames: list[Frame]) -> Generator[Frame, None, None]:
            yield from frames
            raise streamseg.SourceError("it broke")

    stream = slow_segmenter(0.02).stream(Broken())
    assert [r.index for r in islice(stream, 3)] == [0, 1, 2]
    with pytest.raises(streamseg.SourceError, match="it broke"):
        next(stream)


def test_asyncio_goes_on_while_frames_are_segmented() -> None:
    async def watch() -> tuple[list[FrameResult], int]:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.01)
                ticks += 1

        ticking = asyncio.create_task(tick())
        results = [r async for r in slow_segmenter(0.05).astream(pattern(6))]
        ticking.cancel()
        return results, ticks

    results, ticks = asyncio.run(watch())
    assert [r.index for r in results] == list(range(6))
    assert ticks > 10


def test_cancelling_an_asyncio_task_closes_the_camera(segmenter: Segmenter) -> None:
    async def watch(url: str) -> None:
        async def consume() -> None:
            async for _ in segmenter.astream(url, options=QUICK):
                seen.set()

        seen = asyncio.Event()
        task = asyncio.create_task(consume())
        await seen.wait()
        camera.stalled = True
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with http_camera() as camera:
        asyncio.run(watch(camera.url))
        camera.stalled = False
        wait_until(lambda: camera.viewers == 0, 1)


def test_asyncio_gets_errors_with_the_first_result(segmenter: Segmenter) -> None:
    async def watch() -> None:
        async for _ in segmenter.astream("nowhere.mp4"):
            raise AssertionError

    with pytest.raises(streamseg.SourceError, match="nowhere"):
        asyncio.run(watch())


def test_a_stream_is_an_iterator_and_a_context_manager(segmenter: Segmenter) -> None:
    with segmenter.stream(pattern(3)) as stream:
        assert isinstance(stream, Stream)
        assert iter(stream) is stream
        assert stream.opened is not None
        assert stream.opened.frame_count == 3
        assert len(list(stream)) == 3
    assert segmenter.stream([pattern(3)]).opened is None


def test_a_stream_that_stays_open_waits_for_sources_until_it_is_stopped(
    segmenter: Segmenter,
) -> None:
    stream = segmenter.stream([], stays_open=True)
    threading.Timer(0.05, stream.add, [pattern(2)]).start()
    assert [next(stream).index, next(stream).index] == [0, 1]
    threading.Timer(0.05, stream.add, ["nowhere.mp4"]).start()
    threading.Timer(0.1, stream.add, [pattern(1)]).start()
    assert next(stream).source_index == 2
    threading.Timer(0.05, stream.stop).start()
    assert next(stream, None) is None


def test_a_stream_that_is_stopped_raises_no_error_of_a_source(segmenter: Segmenter) -> None:
    def stop_at_the_end(event: StreamEvent) -> None:
        if event.state == "ended":
            threading.Timer(0.05, stream.stop).start()

    stream = segmenter.stream(["nowhere.mp4"], stays_open=True, on_event=stop_at_the_end)
    assert next(stream, None) is None


def test_only_a_list_of_sources_stays_open(segmenter: Segmenter) -> None:
    with pytest.raises(streamseg.ConfigError, match="takes a list of sources"):
        segmenter.stream(pattern(1), stays_open=True)


def test_listeners_hear_all_events_and_get_the_latest_ones(segmenter: Segmenter) -> None:
    first: list[StreamEvent] = []
    second: list[StreamEvent] = []
    with segmenter.stream([pattern(100_000)], on_event=first.append) as stream:
        next(stream)
        (latest,) = stream.listen(second.append)
        assert latest.state == "live"
        stream.add(pattern(100_000))
        wait_until(lambda: [e for e in second if (e.source_index, e.state) == (1, "live")])
        stream.remove(0)
        wait_until(lambda: [e for e in second if (e.source_index, e.state) == (0, "ended")])
        assert [event.source_index for event in stream.listen(second.append)] == [1]
    assert [event for event in first if event in second] == first[2:]

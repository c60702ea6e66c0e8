"""Controls of a stream from other threads, callbacks, and how it ends."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import pytest
from camera_servers import http_camera, wait_until
from slow_streams import QUICK, REALTIME, frames_of, pattern, source_of

from streamseg import ConfigError, InputError, SourceError, SourceOptions, Stream, StreamEvent
from streamseg.frame import Frame
from streamseg.results import FrameResult
from streamseg.segmenter import Segmenter
from streamseg.streaming.lanes import Lane
from streamseg.video.source import name_of

pytestmark = pytest.mark.usefixtures("first_use_is_over", "no_thread_is_left")


def test_a_stream_is_an_iterator_and_a_context_manager(segmenter: Segmenter) -> None:
    with segmenter.stream(pattern(3)) as stream:
        assert isinstance(stream, Stream)
        assert iter(stream) is stream
        assert stream.opened is not None
        assert stream.opened.frame_count == 3
        assert len(list(stream)) == 3
    assert segmenter.stream([pattern(3)]).opened is None


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
    is_resumed = threading.Event()

    def resume() -> None:
        is_resumed.set()
        stream.resume()

    threading.Timer(0.2, resume).start()
    assert next(stream).index == 7
    assert is_resumed.is_set()
    stream.close()
    assert list(stream) == []


@pytest.mark.timing
def test_a_paused_camera_is_still_read_and_resumes_with_the_newest_frame(
    segmenter: Segmenter,
) -> None:
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


def test_a_negative_number_of_frames_is_not_skipped(segmenter: Segmenter) -> None:
    with segmenter.stream(pattern(3)) as stream:
        with pytest.raises(InputError, match="frames must be 0 or more, got -1"):
            stream.skip(-1)
        assert [result.index for result in stream] == [0, 1, 2]


def test_an_added_source_that_fails_leaves_a_stream_of_one_source_alone(
    segmenter: Segmenter,
) -> None:
    stream = segmenter.stream(pattern(5))
    opened = stream.opened
    stream.add("nowhere.mp4")
    stream.add(source_of(frame for frame in frames_of(pattern(2))))
    assert Counter(result.source_index for result in stream) == {0: 5, 2: 2}
    assert stream.opened is opened


def test_an_added_object_that_is_not_a_source_changes_nothing(segmenter: Segmenter) -> None:
    def read(frames: list[Frame]) -> Generator[Frame, None, None]:
        yield from frames
        raise SourceError("it broke")

    stream = segmenter.stream(source_of(read(frames_of(pattern(1)))))
    with pytest.raises(InputError, match="got float"):
        stream.add(0.5)  # type: ignore[arg-type]
    with pytest.raises(SourceError, match="it broke"):
        list(stream)


def test_a_source_that_is_added_to_a_closed_stream_is_closed(segmenter: Segmenter) -> None:
    stream = segmenter.stream(pattern(1))
    stream.close()
    with http_camera() as camera:
        stream.add(camera.url)
        time.sleep(0.3)  # time enough to connect
        assert camera.viewers == 0
        del stream


def test_sources_added_at_the_same_time_have_different_indices(
    segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = threading.Barrier(2, timeout=5)

    def name_when_both_are_here(source: str) -> str:
        both.wait()
        return name_of(source)

    with segmenter.stream([], stays_open=True) as stream, ThreadPoolExecutor(2) as threads:
        monkeypatch.setattr("streamseg.streaming.stream.name_of", name_when_both_are_here)
        assert sorted(threads.map(stream.add, [pattern(1), pattern(1)])) == [0, 1]


def test_a_frame_in_flight_gives_no_result_after_stop_or_remove(segmenter: Segmenter) -> None:
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


def test_a_stream_that_stays_open_waits_for_sources_until_it_is_stopped(
    segmenter: Segmenter,
) -> None:
    def add_two() -> None:
        stream.add("nowhere.mp4")
        stream.add(pattern(1))

    with segmenter.stream([], stays_open=True) as stream:
        threading.Timer(0.05, stream.add, [pattern(2)]).start()
        assert [next(stream).index, next(stream).index] == [0, 1]
        threading.Timer(0.05, add_two).start()
        assert next(stream).source_index == 2
        threading.Timer(0.05, stream.stop).start()
        assert next(stream, None) is None


def test_a_stream_that_is_stopped_raises_no_error_of_a_source(segmenter: Segmenter) -> None:
    def stop_at_the_end(event: StreamEvent) -> None:
        if event.state == "ended":
            threading.Timer(0.05, stream.stop).start()

    stream = segmenter.stream(["nowhere.mp4"], stays_open=True)
    for event in stream.listen(stop_at_the_end):
        stop_at_the_end(event)
    assert next(stream, None) is None


def test_only_a_list_of_sources_stays_open(segmenter: Segmenter) -> None:
    with pytest.raises(ConfigError, match="takes a list of sources"):
        segmenter.stream(pattern(1), stays_open=True)


@pytest.mark.parametrize("state", ["live", "ended"])
def test_a_callback_may_close_the_stream(segmenter: Segmenter, state: str) -> None:
    closed: list[StreamEvent] = []

    def close(event: StreamEvent) -> None:
        if event.state == state:
            stream.close()
            closed.append(event)

    stream = segmenter.stream([], stays_open=True, on_event=close)
    stream.add(pattern(2))
    assert len(list(stream)) <= 2
    wait_until(lambda: closed)


def test_a_callback_may_remove_a_source_that_is_being_added(
    segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    removed = threading.Event()

    def remove(event: StreamEvent) -> None:
        stream.remove(event.source_index)
        removed.set()

    def lane_after_the_first_event(*arguments: object) -> Lane:
        removed.wait(0.2)
        return Lane(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("streamseg.streaming.stream.Lane", lane_after_the_first_event)
    with segmenter.stream([], stays_open=True, on_event=remove) as stream:
        stream.add(pattern(100_000))
        threading.Timer(0.3, stream.stop).start()
        assert len(list(islice(stream, 10))) < 10


def test_an_error_in_the_callback_is_logged_after_the_stream_was_stopped(
    segmenter: Segmenter, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(event: StreamEvent) -> None:
        if event.state == "ended":
            raise ZeroDivisionError("in the callback")

    with segmenter.stream([pattern(100_000)], on_event=fail) as stream:
        next(stream)
    assert "in the callback" in caplog.text


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

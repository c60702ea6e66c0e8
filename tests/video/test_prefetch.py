from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Generator
from fractions import Fraction
from itertools import islice
from pathlib import Path

import pytest
from media import write_video

from streamseg.errors import SourceError
from streamseg.frame import Frame
from streamseg.video.base import Source
from streamseg.video.frame_buffer import Policy
from streamseg.video.prefetch import Prefetch
from streamseg.video.source import open_source
from streamseg.video.test_pattern import PatternSource


class ScriptedSource(Source):
    """Frames that wait for a word before they come; knows whether it is closed."""

    def __init__(
        self,
        count: int,
        *,
        is_live: bool = False,
        before: Callable[[int], None] = lambda index: None,
    ) -> None:
        self.produced = 0
        self.is_closed = False
        super().__init__(
            self._read(count, before),
            "script",
            time_base=Fraction(1, 25),
            average_rate=None,
            frame_count=None,
            duration_seconds=None,
            is_live=is_live,
        )

    def _read(self, count: int, before: Callable[[int], None]) -> Generator[Frame, None, None]:
        try:
            pattern = PatternSource(f"test-pattern:8x8?frames={count}")
            for frame in pattern:
                before(frame.index)
                self.decode_ms = float(frame.index)
                self.produced += 1
                yield frame
        finally:
            self.is_closed = True


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, "waited 5 s in vain"
        time.sleep(0.002)


def decoding_threads() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name == "streamseg-decode"]


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Generator[None, None, None]:
    yield
    wait_until(lambda: not decoding_threads())


def test_a_file_comes_whole_and_in_order(tmp_path: Path) -> None:
    source = open_source(write_video(tmp_path / "a.mp4"))
    with Prefetch(source, 2, Policy()) as fetched:
        items = list(fetched)
    assert [item.frame.index for item in items] == list(range(25))
    assert all(item.dropped == 0 for item in items)
    assert all(item.decode_ms >= 0 for item in items)
    assert sum(i.decode_ms for i in items) > 0
    assert list(source) == []


def test_memory_is_bounded_by_the_depth() -> None:
    source = ScriptedSource(100)
    with Prefetch(source, 3, Policy()) as fetched:
        next(fetched)
        wait_until(lambda: source.produced == 5)  # one taken, three wait, one in work
        time.sleep(0.05)
        assert source.produced == 5
    assert source.is_closed


def test_each_frame_comes_with_its_own_decode_time() -> None:
    with Prefetch(ScriptedSource(5), 4, Policy()) as fetched:
        assert [item.decode_ms for item in fetched] == [0, 1, 2, 3, 4]


def test_leaving_early_closes_the_source_at_once() -> None:
    source = ScriptedSource(10_000)
    with Prefetch(source, 1, Policy()) as fetched:
        for item in fetched:
            if item.frame.index == 3:
                break
    assert source.is_closed
    assert not decoding_threads()
    assert list(fetched) == []
    fetched.close()


def test_an_exception_of_the_consumer_closes_the_source() -> None:
    source = ScriptedSource(10_000)
    with pytest.raises(KeyboardInterrupt), Prefetch(source, 4, Policy()) as fetched:
        next(fetched)
        raise KeyboardInterrupt
    assert source.is_closed
    assert not decoding_threads()


def test_forgetting_it_closes_the_source() -> None:
    source = ScriptedSource(10_000)
    fetched = Prefetch(source, 4, Policy())
    next(fetched)
    del fetched
    gc.collect()
    wait_until(lambda: source.is_closed)


def test_an_error_comes_after_the_frames_before_it() -> None:
    def fail(index: int) -> None:
        if index == 3:
            raise SourceError("the cable is out")

    with Prefetch(ScriptedSource(10, before=fail), 8, Policy()) as fetched:
        assert [item.frame.index for item in islice(fetched, 3)] == [0, 1, 2]
        with pytest.raises(SourceError, match="the cable is out"):
            next(fetched)
        assert list(fetched) == []


def test_a_live_source_keeps_the_newest_frame_and_counts_the_rest() -> None:
    reached = {3: threading.Event(), 8: threading.Event()}
    opened = {3: threading.Event(), 8: threading.Event()}

    def wait(index: int) -> None:
        if index in reached:
            reached[index].set()
            assert opened[index].wait(5)

    with Prefetch(ScriptedSource(10, is_live=True, before=wait), 4, Policy()) as fetched:
        assert reached[3].wait(5)
        item = next(fetched)
        assert (item.frame.index, item.dropped) == (2, 2)
        opened[3].set()
        assert reached[8].wait(5)
        item = next(fetched)
        assert (item.frame.index, item.dropped) == (7, 4)
        opened[8].set()
        rest = list(fetched)
    assert rest[-1].frame.index == 9
    assert sum(1 + item.dropped for item in rest) == 2


def test_closing_does_not_wait_for_a_silent_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamseg.video.prefetch._JOIN_SECONDS", 0.05)
    answer = threading.Event()

    def wait(index: int) -> None:
        if index == 1:
            assert answer.wait(5)

    source = ScriptedSource(10, is_live=True, before=wait)
    with source, Prefetch(source, 4, Policy()) as fetched:
        next(fetched)
    assert list(fetched) == []
    assert not source.is_closed
    answer.set()
    wait_until(lambda: source.is_closed)

"""Several sources in one stream, policies, and errors of sources."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Generator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from camera_servers import http_camera, rtsp_camera
from media import write_video
from slow_streams import REALTIME, frames_of, pattern, slow_segmenter, source_of

import streamseg
from streamseg import SourceOptions, StreamEvent
from streamseg.frame import Frame
from streamseg.segmenter import Segmenter
from streamseg.video.source import open_source

pytestmark = pytest.mark.usefixtures("first_use_is_over", "no_thread_is_left")


def test_a_slow_consumer_of_a_live_source_gets_the_newest_frame_and_drops_are_counted() -> None:
    results = list(slow_segmenter(0.1).stream(pattern(60, 100), options=REALTIME))
    assert 2 <= len(results) <= 8
    expected = -1
    for result in results:
        expected += 1 + result.dropped
        assert result.index == expected
    assert results[-1].index == 59


@pytest.mark.timing
def test_a_slow_consumer_of_a_live_source_gets_recent_frames() -> None:
    results = list(slow_segmenter(0.1).stream(pattern(60, 100), options=REALTIME))
    # from its arrival to its result: its own 100 ms and a frame's period of waiting
    assert max(result.latency_ms for result in results[1:]) < 350


def test_a_live_source_drops_nothing_with_the_policy_all() -> None:
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
def test_a_file_in_real_time_plays_at_its_own_speed(segmenter: Segmenter) -> None:
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
    # while both have frames, neither falls behind
    both = [r.source_index for r in results if r.source_index != 1][30:110]
    assert abs(both.count(0) - both.count(2)) < 30


def test_a_camera_that_ends_does_not_affect_the_others(segmenter: Segmenter) -> None:
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


def test_a_missing_file_among_several_sources_is_an_event_and_not_an_error(
    segmenter: Segmenter,
) -> None:
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


def test_the_frame_before_the_error_of_a_file_is_given_first() -> None:
    def read(frames: list[Frame]) -> Generator[Frame, None, None]:
        yield from frames
        raise streamseg.SourceError("it broke")

    stream = slow_segmenter(0.02).stream(source_of(read(frames_of(pattern(3)))))
    assert [r.index for r in islice(stream, 3)] == [0, 1, 2]
    with pytest.raises(streamseg.SourceError, match="it broke"):
        next(stream)

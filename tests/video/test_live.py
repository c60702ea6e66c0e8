"""Cameras that die, stall, change and send garbage, served on the loopback."""

from __future__ import annotations

import logging
import signal
import threading
import time
import traceback
from itertools import islice, pairwise
from pathlib import Path

import av
import pytest
from camera_servers import free_port, http_camera, number_in, rtsp_camera, wait_until
from media import write_video

from streamseg.errors import SourceError
from streamseg.events import Announcer, StreamEvent
from streamseg.results import Frame
from streamseg.video.base import Source
from streamseg.video.options import SourceOptions
from streamseg.video.source import open_source

QUICK = SourceOptions(timeout_seconds=2, first_delay_seconds=0.05, longest_delay_seconds=0.2)


class Watched:
    """An opened source with what was told of it."""

    def __init__(self, url: str, options: SourceOptions = QUICK) -> None:
        self.events: list[StreamEvent] = []
        self.source = open_source(url, options, announce=Announcer("it", 0, self.events.append))

    def states(self) -> list[str]:
        """Without the tries to reconnect that failed."""
        states = [event.state for event in self.events]
        return [a for a, b in pairwise([*states, ""]) if a != b]

    def __enter__(self) -> Source:
        return self.source

    def __exit__(self, *error: object) -> None:
        self.source.close()


def frames_until(source: Source, wanted: tuple[int, int]) -> list[Frame]:
    """All frames up to the first of this width and height."""
    frames = []
    for frame in source:
        frames.append(frame)
        if (frame.width, frame.height) == wanted:
            break
    return frames


def test_an_rtsp_server_that_dies_and_returns_with_another_size() -> None:
    with rtsp_camera() as camera:
        watched = Watched(camera.url)
        with watched as source:
            before = list(islice(source, 10))
            camera.kill()
            back: list[float] = []

            def return_later() -> None:
                time.sleep(0.5)
                camera.start(320, 192)
                back.append(time.monotonic())

            thread = threading.Thread(target=return_later)
            thread.start()
            after = frames_until(source, (320, 192))
            seconds = time.monotonic() - back[0]
            thread.join()
            after += list(islice(source, 5))
    assert seconds < 2
    frames = before + after
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert all(b.pts_seconds > a.pts_seconds for a, b in pairwise(frames))
    gap_seconds = max(b.pts_seconds - a.pts_seconds for a, b in pairwise(frames))
    assert 0.4 < gap_seconds < 3
    assert watched.states() == ["connecting", "live", "lost", "reconnecting", "live"]
    assert frames[-1].image.shape == (192, 320, 3)


def test_an_rtsp_server_that_falls_silent_is_lost_in_time() -> None:
    options = SourceOptions(
        timeout_seconds=0.4, first_delay_seconds=0.05, longest_delay_seconds=0.1
    )
    with rtsp_camera() as camera:
        watched = Watched(camera.url, options)
        with watched as source:
            list(islice(source, 10))
            camera.signal(signal.SIGSTOP)
            stopped_at = time.monotonic()
            lost_at: list[float] = []

            def wake() -> None:
                wait_until(lambda: "lost" in watched.states())
                lost_at.append(time.monotonic())
                camera.signal(signal.SIGCONT)

            thread = threading.Thread(target=wake)
            thread.start()
            while "live" not in watched.states()[2:]:
                next(source)
            thread.join()
    assert 0.3 < lost_at[0] - stopped_at < 1.5
    assert watched.states() == ["connecting", "live", "lost", "reconnecting", "live"]
    lost = next(event for event in watched.events if event.state == "lost")
    assert "sent nothing for" in lost.reason or "no answer in time" in lost.reason


def test_rtsp_over_udp() -> None:
    with rtsp_camera() as camera:
        options = SourceOptions(timeout_seconds=2, transport="udp")
        with open_source(camera.url, options) as source:
            assert len(list(islice(source, 20))) == 20


def test_a_password_is_in_no_error_and_no_log(caplog: pytest.LogCaptureFixture) -> None:
    av.logging.set_level(av.logging.TRACE)
    caplog.set_level(1, "libav")
    caplog.set_level(1)
    try:
        with rtsp_camera(160, 96, "guest", "s3cr/t@home") as camera:
            url = camera.url.replace("//", "//guest:s3cr%2Ft@home@")
            watched = Watched(url, SourceOptions(retries=2, longest_delay_seconds=0.1))
            with watched as source, pytest.raises(SourceError, match="after 2 tries") as lost:
                next(source)
                camera.kill()
                list(source)
        with pytest.raises(SourceError) as refused:
            open_source(url, QUICK)
    finally:
        av.logging.set_level(None)
    told = repr(watched.events) + caplog.text
    for caught in (lost, refused):
        told += "".join(traceback.format_exception(caught.value))
    assert "***@127.0.0.1" in told
    assert "Authorization: Basic ***" in told
    assert "s3cr" not in told and "guest" not in told

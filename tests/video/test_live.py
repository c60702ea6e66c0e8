"""Cameras that die, stall, change and send garbage, served on the loopback."""

from __future__ import annotations

import logging
import signal
import socket
import threading
import time
import traceback
from contextlib import closing
from dataclasses import replace
from itertools import islice, pairwise
from pathlib import Path

import av
import pytest
from camera_servers import free_port, http_camera, number_in, rtsp_camera, wait_until
from media import noise, write_video

from streamseg.errors import SourceError
from streamseg.frame import Frame
from streamseg.video.base import Source
from streamseg.video.events import Announcer, StreamEvent
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


@pytest.mark.timing
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


@pytest.mark.timing
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
            with watched as source, pytest.raises(SourceError, match=r"attempts: 2") as lost:
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
    assert "s3cr" not in told
    assert "guest" not in told


def test_an_mjpeg_camera_that_dies_stalls_and_sends_garbage() -> None:
    options = SourceOptions(
        timeout_seconds=0.5, first_delay_seconds=0.05, longest_delay_seconds=0.1
    )
    with http_camera() as camera:
        watched = Watched(camera.url, options)
        with watched as source:
            assert number_in(next(source).image) == 0
            camera.kill()
            camera.size = (320, 192)
            camera.start()
            frames_until(source, (320, 192))
            camera.garbage = 3
            camera.size = (160, 96)
            frames_until(source, (160, 96))
            skipped = source.skipped
            camera.stalled = True
            before = len(watched.events)
            threading.Timer(0.8, lambda: setattr(camera, "stalled", False)).start()
            while len(watched.events) == before or watched.events[-1].state != "live":
                next(source)
            assert source.skipped == skipped
    assert skipped == 3
    again = ["lost", "reconnecting", "live"]
    assert watched.states() == ["connecting", "live", *again, *again]


def test_closing_lets_go_of_the_camera() -> None:
    with http_camera() as camera:
        source = open_source(camera.url, QUICK)
        next(source)
        assert camera.viewers == 1
        source.close()
        wait_until(lambda: camera.viewers == 0, 1)


def test_a_camera_is_given_up_after_the_tries_that_were_allowed() -> None:
    with http_camera() as camera:
        options = SourceOptions(retries=3, first_delay_seconds=0.01, longest_delay_seconds=0.02)
        watched = Watched(camera.url, options)
        with watched as source:
            next(source)
            camera.kill()
            with pytest.raises(SourceError, match=r"not reconnected \(attempts: 3\): cannot"):
                list(source)
    attempts = [event.attempt for event in watched.events if event.state == "reconnecting"]
    assert attempts == [1, 2, 3]


def test_a_camera_that_may_not_be_reconnected_says_why_it_was_lost() -> None:
    with http_camera() as camera, open_source(camera.url, replace(QUICK, retries=0)) as source:
        next(source)
        camera.kill()
        with pytest.raises(SourceError, match=r"not reconnected \(attempts: 0\): \S+"):
            list(source)


def test_a_patient_opening_waits_for_a_camera_that_is_off(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    with http_camera() as camera:
        camera.kill()
        threading.Timer(0.3, camera.start).start()
        events: list[StreamEvent] = []
        announce = Announcer("it", 0, events.append)
        with open_source(camera.url, QUICK, announce=announce, wait_for_source=True) as source:
            assert number_in(next(source).image) == 0
    assert [event.state for event in events][:3] == ["connecting", "lost", "reconnecting"]
    assert events[-1].state == "live"


def test_setting_stopping_ends_the_wait_for_a_camera_that_is_off() -> None:
    stopping = threading.Event()
    threading.Timer(0.1, stopping.set).start()
    slow = SourceOptions(first_delay_seconds=60, longest_delay_seconds=60)
    url = f"http://127.0.0.1:{free_port()}/live.mjpg"
    with pytest.raises(SourceError, match="stopped while reconnecting"):
        open_source(url, slow, stopping=stopping, wait_for_source=True)


class Playlist:
    """A video in HLS whose segments appear one by one, and then an end."""

    def __init__(self, folder: Path) -> None:
        times = [index / 25 for index in range(75)]
        write_video(folder / "live.m3u8", times, hls_time="1", hls_list_size="0")
        self.segments = sorted(folder.glob("*.ts"))
        self.shown = 1
        self.files = {path.name: path.read_bytes for path in self.segments}
        self.files["live.m3u8"] = self.text

    def text(self) -> bytes:
        lines = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:1"]
        lines.append("#EXT-X-MEDIA-SEQUENCE:0")
        for path in self.segments[: self.shown]:
            lines += ["#EXTINF:1.0,", path.name]
        if self.shown > len(self.segments):
            lines.append("#EXT-X-ENDLIST")
        self.shown += 1
        return "\n".join([*lines, ""]).encode()


def test_hls_is_followed_to_the_end_of_its_playlist(tmp_path: Path) -> None:
    playlist = Playlist(tmp_path)
    with http_camera(files=playlist.files) as server:
        watched = Watched(f"http://127.0.0.1:{server.port}/live.m3u8")
        with watched as source:
            assert source.is_live
            seconds = [frame.pts_seconds for frame in source]
    assert len(seconds) >= 50
    assert all(b > a for a, b in pairwise(seconds))
    assert watched.states()[:2] == ["connecting", "live"]


def test_waits_grow_to_a_limit_and_are_never_the_same() -> None:
    options = SourceOptions(first_delay_seconds=0.1, longest_delay_seconds=2)
    for attempt, longest in ((1, 0.1), (2, 0.2), (5, 1.6), (6, 2), (1000, 2)):
        delays = [options.delay_seconds(attempt) for _ in range(50)]
        assert longest / 2 <= min(delays) < max(delays) <= longest


def test_a_transport_stream_over_udp_that_falls_silent(tmp_path: Path) -> None:
    times = [index / 25 for index in range(50)]
    data = write_video(tmp_path / "a.ts", times, codec="mpeg4", images=[noise()]).read_bytes()
    port, silent = free_port(), threading.Event()
    size = 7 * 188

    def send() -> None:
        with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sender:
            while not silent.is_set():
                for at in range(0, len(data), size):
                    sender.sendto(data[at : at + size], ("127.0.0.1", port))
                    time.sleep(2 * size / len(data))

    thread = threading.Thread(target=send)
    thread.start()
    options = SourceOptions(timeout_seconds=0.7, retries=0)
    with open_source(f"udp://127.0.0.1:{port}", options) as source:
        assert len(list(islice(source, 30))) == 30
        silent.set()
        with pytest.raises(SourceError, match="not reconnected"):
            list(source)
    thread.join()

"""Cameras and network streams, the latter on this machine's loopback."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path
from threading import Thread
from typing import Any

import av
import pytest
from media import corners, write_video

from streamseg.errors import SourceError
from streamseg.video.containers import open_camera
from streamseg.video.options import SourceOptions
from streamseg.video.source import open_source


@contextmanager
def served(path: Path, *, states_length: bool) -> Iterator[str]:
    """Serve a file; without a length it is an endless stream to the client."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            data = path.read_bytes()
            self.send_response(200)
            if states_length:
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
            else:
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                self.wfile.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data))

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://user:secret@127.0.0.1:{server.server_port}/{path.name}"
        finally:
            server.shutdown()
            thread.join()


def test_a_video_on_a_server_is_no_camera(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", movflags="faststart")
    with served(path, states_length=True) as url, open_source(url) as source:
        assert not source.is_live
        assert "***@127.0.0.1" in source.description
        assert len(list(source)) == 25


RECORDINGS: dict[str, dict[str, Any]] = {
    "a.ts": {},
    "a.webm": {"codec": "libvpx", "time_base": Fraction(1, 1000), "live": "1"},  # MediaRecorder's
    "a.mkv": {"live": "1"},
    "a.h264": {},
    "a.mjpeg": {"codec": "mjpeg", "pix_fmt": "yuvj420p", "time_base": Fraction(1, 25)},
    "a.mp4": {"movflags": "frag_keyframe+empty_moov"},
}


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_recording_without_a_duration_is_read_to_its_end_and_whole(
    tmp_path: Path, name: str
) -> None:
    path = write_video(tmp_path / name, **RECORDINGS[name])
    with (
        served(path, states_length=True) as url,
        open_source(url) as source,
        open_source(path.as_uri()) as file,
    ):
        assert not source.is_live
        assert not file.is_live
        assert len(list(source)) == len(list(file)) == 25


def test_a_playlist_with_an_end_is_a_recording(tmp_path: Path) -> None:
    write_video(tmp_path / "a.m3u8", hls_list_size="0", hls_flags="single_file")
    path = next(tmp_path.glob("*.ts"))
    playlist = (tmp_path / "a.m3u8").read_text()
    with served(path, states_length=True) as url:
        (tmp_path / "a.m3u8").write_text(playlist.replace(path.name, url))
        with (
            served(tmp_path / "a.m3u8", states_length=True) as playlist_url,
            open_source(playlist_url) as source,
        ):
            assert not source.is_live
            assert len(list(source)) == 25


@pytest.mark.parametrize("live", [True, False])
def test_the_user_knows_better_whether_it_is_live(tmp_path: Path, live: bool) -> None:
    path = write_video(tmp_path / "a.ts")
    options = SourceOptions(live=live, retries=0)
    with served(path, states_length=live) as url, open_source(url, options) as source:
        assert source.is_live == live
        if not live:
            assert len(list(source)) == 25


def test_a_stream_without_end_is_live_and_counts_from_its_first_frame(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.ts", tuple(50 + index / 25 for index in range(50)))
    with served(path, states_length=False) as url, open_source(url) as source:
        assert source.is_live
        assert source.frame_count is None
        assert source.duration_seconds is None
        # some versions of FFmpeg take the end of such a stream for a failure
        seconds = [frame.pts_seconds for frame in islice(source, 40)]
    assert seconds == pytest.approx([index / 25 for index in range(40)])


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_a_server_that_says_nothing_is_given_up(scheme: str) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        url = f"{scheme}://user:secret@127.0.0.1:{silent.getsockname()[1]}/live"
        with pytest.raises(SourceError, match=r"cannot read \w+://\*\*\*@127") as caught:
            open_source(url, SourceOptions(timeout_seconds=0.3))
    assert "no answer in time" in str(caught.value)
    assert "secret" not in f"{caught.value} {caught.value.__cause__}"


def test_nobody_there() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
    with pytest.raises(SourceError, match="nothing listens there"):
        open_source(f"rtsp://127.0.0.1:{port}/live")


def test_an_unknown_protocol() -> None:
    with pytest.raises(SourceError, match="does not support that protocol"):
        open_source("carrier-pigeon://roof")


def test_a_missing_camera_is_named_with_those_found() -> None:
    with pytest.raises(SourceError, match=r"no such camera: /dev/video987 \(cameras found:"):
        open_source(987)


def test_an_uncompressed_camera(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = tmp_path / "video7"
    write_video(
        tmp_path / "raw.nut", (90, 90.04), codec="rawvideo", time_base=Fraction(1, 1000)
    ).rename(device)
    asked: list[dict[str, str]] = []
    really_open = av.open

    def open_without_mjpeg(
        file: str, *, format: str, options: dict[str, str], hwaccel: None
    ) -> av.container.InputContainer:
        assert format == "v4l2"
        asked.append(options)
        if options:
            raise av.error.OSError(22, "Invalid argument", file)
        return really_open(file)

    monkeypatch.setattr(av, "open", open_without_mjpeg)
    with open_camera(str(device)) as source:
        assert source.is_live
        frames = list(source)
    assert asked == [{"input_format": "mjpeg"}, {}]
    assert [frame.pts_seconds for frame in frames] == pytest.approx([0, 0.04])
    assert corners(frames[0].image) == "RGBK"

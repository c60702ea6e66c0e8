"""Cameras on this machine's loopback: RTSP through GStreamer, MJPEG and HLS through http.server."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from needed_in_ci import skip_unless_in_ci

from streamseg.frame import Image

SYSTEM_PYTHON = "/usr/bin/python3"
_NEEDS = """
import gi
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gst, GstRtspServer
Gst.init(None)
missing = [e for e in ("videotestsrc", "x264enc", "rtph264pay") if not Gst.ElementFactory.find(e)]
raise SystemExit(f"GStreamer lacks {missing}" if missing else 0)
"""


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        return int(server.getsockname()[1])


def wait_until(condition: Callable[[], object], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain"
        time.sleep(0.005)


@cache
def why_no_rtsp() -> str | None:
    """What the system lacks to serve RTSP; None if nothing."""
    if not Path(SYSTEM_PYTHON).exists():
        return f"no {SYSTEM_PYTHON}"
    tried = subprocess.run([SYSTEM_PYTHON, "-c", _NEEDS], capture_output=True, text=True)
    return tried.stderr.strip().splitlines()[-1] if tried.returncode else None


class RtspCamera:
    """An RTSP server in a process of its own; ``start`` it again after ``kill``."""

    def __init__(self) -> None:
        if (why := why_no_rtsp()) is not None:
            skip_unless_in_ci(
                f"no RTSP server: {why} (apt-get install gir1.2-gst-rtsp-server-1.0 ...)"
            )
        self.port = free_port()
        self.url = f"rtsp://127.0.0.1:{self.port}/live"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, width: int = 160, height: int = 96, *login: str) -> None:
        script = Path(__file__).with_name("rtsp_server.py")
        command = [SYSTEM_PYTHON, str(script), str(self.port), str(width), str(height), "30"]
        self._process = subprocess.Popen([*command, *login], stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n"

    def signal(self, number: int) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None


@contextmanager
def rtsp_camera(width: int = 160, height: int = 96, *login: str) -> Iterator[RtspCamera]:
    camera = RtspCamera()
    camera.start(width, height, *login)
    try:
        yield camera
    finally:
        if camera._process is not None:
            camera.signal(signal.SIGCONT)
        camera.kill()


def jpeg(image: Image) -> bytes:
    buffer = BytesIO()
    PIL.Image.fromarray(image).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def numbered(number: int, width: int = 160, height: int = 96) -> Image:
    """An image that shows its number, in 16 black and white stripes."""
    bits = [(number >> bit) & 1 for bit in range(16)]
    row = np.repeat(np.array(bits, np.uint8) * 255, width // 16)
    return np.ascontiguousarray(np.broadcast_to(row[None, :, None], (height, len(row), 3)))


def number_in(image: Image) -> int:
    """What ``numbered`` was given."""
    height, width, _ = image.shape
    stripe = width / 16
    row = image[height // 2, :, 0]
    return sum(1 << bit for bit in range(16) if row[int((bit + 0.5) * stripe)] > 128)


class HttpCamera:
    """Serves ``/live.mjpg``, images of rising number without end, and the files of a folder."""

    def __init__(
        self, fps: float = 30, files: dict[str, Callable[[], bytes]] | None = None
    ) -> None:
        self.fps = fps
        self.files = files or {}
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/live.mjpg"
        self.sent = 0
        self.sent_at: dict[int, float] = {}
        self.size = (160, 96)
        self.garbage = 0
        """Images to come that are no images."""
        self.stalled = False
        self.viewers = 0
        self._connections: list[socket.socket] = []
        self._server: ThreadingHTTPServer | None = None

    def start(self) -> None:
        camera = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                camera._connections.append(self.connection)
                camera.viewers += 1
                try:
                    name = self.path.lstrip("/")
                    if name == "live.mjpg":
                        camera._send_images(self)
                    elif name in camera.files:
                        data = camera.files[name]()
                        self.send_response(200)
                        self.send_header("Content-Length", str(len(data)))
                        self.end_headers()
                        self.wfile.write(data)
                    else:
                        self.send_error(404)
                except OSError:
                    pass  # the viewer has gone, or the server was killed
                finally:
                    camera.viewers -= 1

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def kill(self) -> None:
        """Close the door and all connections."""
        server, self._server = self._server, None
        if server is None:
            return
        server.shutdown()
        server.server_close()
        connections, self._connections = self._connections, []
        for connection in connections:
            with suppress(OSError):  # it is closed already
                connection.shutdown(socket.SHUT_RDWR)
        wait_until(lambda: self.viewers == 0)

    def _send_images(self, handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        handler.end_headers()
        due = time.monotonic()
        while self._server is not None:
            while self.stalled and self._server is not None:
                time.sleep(0.01)
            data = jpeg(numbered(self.sent % 65536, *self.size))
            if self.garbage:
                self.garbage -= 1
                data = data[:2] + bytes(len(data) - 4) + data[-2:]
            self.sent_at[self.sent % 65536] = time.monotonic()
            self.sent += 1
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
            handler.wfile.write(head.encode() + data + b"\r\n")
            due += 1 / self.fps
            time.sleep(max(0, due - time.monotonic()))


@contextmanager
def http_camera(
    fps: float = 30, files: dict[str, Callable[[], bytes]] | None = None
) -> Iterator[HttpCamera]:
    camera = HttpCamera(fps, files)
    camera.start()
    try:
        yield camera
    finally:
        camera.stalled = False
        camera.kill()

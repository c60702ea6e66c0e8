"""A stream that is served on this machine's loopback, and a client for it."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import uvicorn
from camera_servers import wait_until
from colour_runtime import ColourRuntime

from streamseg import SourceOptions, Stream
from streamseg.runtime.base import Runtime
from streamseg.segmenter import Segmenter
from streamseg.serve import app
from streamseg.serve.server import Server, listen
from streamseg.streaming.sources import OnResult, SourceLike

STREET = "test-pattern:160x96@12?frames=1000000"
TOKEN = "a-token-of-the-tests"
QUICK = SourceOptions(
    realtime=True, timeout_seconds=2, first_delay_seconds=0.05, longest_delay_seconds=0.2
)


class Served:
    """What is served, and where."""

    def __init__(self, stream: Stream, server: uvicorn.Server, listener: socket.socket) -> None:
        self.stream = stream
        self.server = server
        self.thread = threading.Thread(target=server.run, args=([listener],))
        self.port = port = int(listener.getsockname()[1])
        self.url = f"http://127.0.0.1:{port}/"
        self.live_url = f"ws://127.0.0.1:{port}/streams/0/live"

    def open(
        self,
        path: str,
        method: str = "GET",
        headers: dict[str, str] | None = None,
        body: Any = None,
        **options: Any,
    ) -> http.client.HTTPResponse:
        """The response, of which nothing but the head is read; closing it ends the connection."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        # a server may answer, and close, before it has read the whole request
        with suppress(BrokenPipeError):
            connection.request(
                method, path, body, {"Connection": "close", **(headers or {})}, **options
            )
        return connection.getresponse()

    def ask(
        self,
        path: str,
        method: str = "GET",
        headers: dict[str, str] | None = None,
        body: Any = None,
        **options: Any,
    ) -> tuple[int, bytes]:
        with self.open(path, method, headers, body, **options) as response:
            return response.status, response.read()

    def sources(self, headers: dict[str, str] | None = None) -> list[dict[str, Any]]:
        status, body = self.ask("/sources", headers=headers)
        assert status == 200
        found: list[dict[str, Any]] = json.loads(body)["sources"]
        return found

    def metric(self, line: str) -> float:
        """The value of a line of /metrics; 0 if it is not there."""
        for found in self.ask("/metrics")[1].decode().splitlines():
            if found.startswith(line + " "):
                return float(found.rpartition(" ")[2])
        return 0.0


@contextmanager
def running(stream: Stream, server: uvicorn.Server, listener: socket.socket) -> Iterator[Served]:
    found = Served(stream, server, listener)
    found.thread.start()
    try:
        wait_until(lambda: server.started)
        yield found
    finally:
        server.should_exit = True
        found.thread.join()


@contextmanager
def served(
    *sources: SourceLike,
    runtime: Runtime | None = None,
    on_result: OnResult | None = None,
    **options: Any,
) -> Iterator[Served]:
    """Serve sources; ``options`` are those of ``app``."""
    segmenter = Segmenter(runtime or ColourRuntime(), size=(160, 96))
    with (
        segmenter.stream(sources, stays_open=True, options=QUICK, on_result=on_result) as stream,
        listen("127.0.0.1", 0) as listener,
        running(stream, Server(app(stream, **options)), listener) as found,
    ):
        yield found

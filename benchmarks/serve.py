"""What viewers cost a stream, and how old the image in the browser is.

    python -m benchmarks.serve
    python -m benchmarks.serve --rehearse

Each part runs the shipped model on a source of 960x540 in a process of its own; the viewers and
Chromium share the machine with it. The last line is one JSON document.

- Frames per second as fast as they can be segmented: a plain loop, as of ``streamseg run`` without
  output, in turns with a served stream that one page shows. The limit: at most 15 % less.
- Latency of a live source with no viewer, and with 20, of which ten never read.
- Memory of the process with the 20 viewers.
- Age of the image: the source shows the time, the page's canvas is read back. The limit: the
  median is at most two frame periods above the median latency of the results.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np
import psutil
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
from chromium import chromium

from benchmarks.clock_source import READER, STRIPES, TIME_BITS, ClockSource
from streamseg import __version__, load
from streamseg.cli.arguments import above_zero, positive

VIEWERS: Final = 20
MOST_LOSS: Final = 0.15
MOST_PERIODS: Final = 2
WARM_UP_SECONDS: Final = 3.0


def segment(pipe: Connection, fps: float | None, is_served: bool, runtime: str) -> None:
    """Body of the process: segment, and tell the latencies since the last question."""
    from streamseg.serve import app
    from streamseg.serve.server import Server, listen

    latencies_ms: list[float] = []
    with (
        load(runtime=runtime) as segmenter,
        listen("127.0.0.1", 0) as listener,
        segmenter.stream(
            ClockSource(fps), on_result=lambda result: latencies_ms.append(result.latency_ms)
        ) as stream,
    ):
        if is_served:
            server = Server(app(stream))
            threading.Thread(target=server.run, args=([listener],), daemon=True).start()
        else:
            threading.Thread(target=lambda: list(map(id, stream)), daemon=True).start()
        pipe.send((listener.getsockname()[1], segmenter.runtime.description))
        while pipe.recv() == "ask":
            told = latencies_ms[:]
            del latencies_ms[: len(told)]
            pipe.send(told)


class Segmenting:
    """A process of ``segment``."""

    def __init__(self, fps: float | None, is_served: bool, runtime: str) -> None:
        """Start it."""
        self._pipe, theirs = get_context("spawn").Pipe()
        arguments = (theirs, fps, is_served, runtime)
        self._process = get_context("spawn").Process(target=segment, args=arguments, daemon=True)
        self._process.start()
        self.port, self.description = self._pipe.recv()
        self.url = f"http://127.0.0.1:{self.port}/"
        warm = 0
        while warm < 3:  # the first frames load what is needed
            time.sleep(0.2)
            warm += len(self.latencies_ms())

    def latencies_ms(self) -> list[float]:
        """Of the results since the last call."""
        self._pipe.send("ask")
        latencies: list[float] = self._pipe.recv()
        return latencies

    def watch(self, seconds: float) -> tuple[float, list[float]]:
        """Frames per second from now on, and the latencies."""
        self.latencies_ms()
        started = time.monotonic()
        time.sleep(seconds)
        latencies = self.latencies_ms()
        return len(latencies) / (time.monotonic() - started), latencies

    def rss_mb(self) -> float:
        """Memory of the process."""
        return float(psutil.Process(self._process.pid).memory_info().rss) / 1e6

    def end(self) -> None:
        """Kill it."""
        self._process.kill()
        self._process.join()


@contextmanager
def segmenting(fps: float | None, runtime: str, *, is_served: bool = True) -> Iterator[Segmenting]:
    """A process of ``segment`` for a while."""
    found = Segmenting(fps, is_served, runtime)
    try:
        yield found
    finally:
        found.end()


@contextmanager
def open_page(url: str, way: str = "jpeg") -> Iterator[Any]:
    """The page in Chromium, once it shows frames; ``way`` is ``jpeg`` or ``h264``."""
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        page.add_init_script(f"localStorage.setItem('video', '{way}')")
        page.goto(url)
        page.wait_for_selector(".camera canvas[data-frame]")
        page.wait_for_timeout(1e3 * WARM_UP_SECONDS)
        yield page


@contextmanager
def viewers(port: int) -> Iterator[None]:
    """Twenty: five MJPEG and five WebSockets that read, ten MJPEG that never do."""
    request = b"GET /streams/0.mjpg HTTP/1.1\r\nHost: localhost\r\n\r\n"

    def read_images(connection: socket.socket) -> None:
        with suppress(OSError):
            while connection.recv(1 << 16):
                pass

    def answer() -> None:
        with (
            suppress(OSError, ConnectionClosed),
            connect(f"ws://127.0.0.1:{port}/streams/0/live") as live,
        ):
            while True:
                live.recv()
                live.send("k")

    with ExitStack() as stack:
        for number in range(VIEWERS):
            if number % 4 == 0:
                threading.Thread(target=answer, daemon=True).start()
                continue
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            connection.sendall(request)
            if number % 4 == 1:
                threading.Thread(target=read_images, args=(connection,), daemon=True).start()
        time.sleep(WARM_UP_SECONDS)
        yield


def measure_loss(rounds: int, seconds: float, runtime: str) -> dict[str, Any]:
    """Frames per second with and without a page."""
    alone, with_page = [], []
    for _ in range(rounds):
        with segmenting(None, runtime, is_served=False) as process:
            alone.append(process.watch(seconds)[0])
        with segmenting(None, runtime) as process, open_page(process.url):
            with_page.append(process.watch(seconds)[0])
    losses = [1 - page / plain for plain, page in zip(alone, with_page, strict=True)]
    return {
        "fps_run": [round(fps, 2) for fps in alone],
        "fps_with_page": [round(fps, 2) for fps in with_page],
        "loss": round(median(losses), 3),
        "within_limit": median(losses) <= MOST_LOSS,
    }


def measure_viewers(fps: float, rounds: int, seconds: float, runtime: str) -> dict[str, Any]:
    """Latency without viewers and with 20."""
    p95: dict[str, list[float]] = {"none": [], "twenty": []}
    with segmenting(fps, runtime) as process:
        for _ in range(rounds):
            p95["none"].append(float(np.percentile(process.watch(seconds)[1], 95)))
            with viewers(process.port):
                p95["twenty"].append(float(np.percentile(process.watch(seconds)[1], 95)))
    return {f"latency_p95_ms_{name}": np.round(values, 1).tolist() for name, values in p95.items()}


def measure_memory(fps: float, minutes: float, runtime: str) -> dict[str, Any]:
    """Memory with 20 viewers; the first fifth is warm-up."""
    samples = []
    with segmenting(fps, runtime) as process, viewers(process.port):
        end = time.monotonic() + 60 * minutes
        while time.monotonic() < end:
            samples.append(process.rss_mb())
            time.sleep(min(1.0, minutes))
    settled = samples[len(samples) // 5 :]
    fifth = max(1, len(settled) // 5)
    growth_mb = median(settled[-fifth:]) - median(settled[:fifth])
    return {"minutes": minutes, "rss_mb": round(settled[-1], 1), "growth_mb": round(growth_mb, 1)}


def measure_age(fps: float, seconds: float, runtime: str) -> dict[str, Any]:
    """From the frame's arrival to its pixels in the browser."""
    with segmenting(fps, runtime) as process, open_page(process.url) as page:
        page.evaluate(READER, [TIME_BITS, STRIPES])
        process.latencies_ms()
        page.wait_for_timeout(1e3 * seconds)
        ages_ms, latencies_ms = page.evaluate("window.ages"), process.latencies_ms()
    age, latency = float(np.median(ages_ms)), float(np.median(latencies_ms))
    return {
        "fps": fps,
        "images_read": len(ages_ms),
        "age_p50_ms": round(age, 1),
        "age_p95_ms": round(float(np.percentile(ages_ms, 95)), 1),
        "latency_p50_ms": round(latency, 1),
        "periods_above_latency": round((age - latency) * fps / 1e3, 2),
        "within_limit": age - latency <= MOST_PERIODS * 1e3 / fps,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="what viewers cost, how old their image is")
    parser.add_argument("--rounds", type=positive, default=5, metavar="N", help="(5)")
    parser.add_argument("--seconds", type=above_zero, default=20.0, help="of each round (20)")
    parser.add_argument("--minutes", type=above_zero, default=10.0, help="of the memory (10)")
    parser.add_argument("--fps", type=above_zero, default=8.0, help="of the live source (8)")
    parser.add_argument("--runtime", default="onnx", help="(onnx)")
    parser.add_argument(
        "--rehearse", action="store_true", help="all parts, too short to believe their figures"
    )
    arguments = parser.parse_args()
    if arguments.rehearse:
        arguments.rounds, arguments.seconds, arguments.minutes = 1, 5.0, 0.1
    rounds, seconds, runtime = arguments.rounds, arguments.seconds, arguments.runtime
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "page": lambda: measure_loss(rounds, seconds, runtime),
        "viewers": lambda: measure_viewers(arguments.fps, rounds, seconds, runtime),
        "memory": lambda: measure_memory(arguments.fps, arguments.minutes, runtime),
        "age": lambda: measure_age(arguments.fps, seconds * rounds, runtime),
    }
    report: dict[str, Any] = {
        "streamseg": __version__,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "runtime": runtime,
        "is_rehearsal": arguments.rehearse,
    }
    for name, measure in parts.items():
        report[name] = measure()
        print(f"{name:<8} {report[name]}", flush=True)
    print(json.dumps(report))


if __name__ == "__main__":
    main()

"""Measure how old results are when the network is too slow for the camera.

    python -m benchmarks.live_latency --seconds 60 --fps 30 --slowness 5

An HTTP server in a process of its own sends numbered MJPEG images and notes the time of each on the
machine's monotonic clock. A runtime that only sleeps takes SLOWNESS frame periods for each image.
The age of a result is the time since its image was sent, found by the number in the image. It does
not rely on the latency that streamseg reports, which is printed too. The last line is one JSON
document.

The limit: in the last ten seconds, ages are at most twice the time of the network.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
from camera_servers import http_camera, number_in
from colour_runtime import ColourRuntime

from streamseg import __version__
from streamseg.frame import Image
from streamseg.results import NetworkOutput
from streamseg.segmenter import Segmenter

LAST_SECONDS = 10


class SleepingRuntime(ColourRuntime):
    """A network that takes a fixed time."""

    def __init__(self, seconds: float) -> None:
        """Set the time of an image in seconds."""
        super().__init__()
        self.seconds = seconds

    def run(self, image: Image) -> NetworkOutput:
        """Run, then sleep for the rest of the time."""
        started = time.monotonic()
        output = super().run(image)
        time.sleep(max(0.0, self.seconds - (time.monotonic() - started)))
        return output


def serve(pipe: Connection, fps: float) -> None:
    """Serve a camera until told to stop; then send the time of each image."""
    with http_camera(fps) as camera:
        pipe.send(camera.url)
        pipe.recv()
    pipe.send(camera.sent_at)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="age of results behind a live source")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--fps", type=float, default=30)
    parser.add_argument("--slowness", type=float, default=5, help="frame periods per image")
    arguments = parser.parse_args()
    network_seconds = arguments.slowness / arguments.fps

    pipe, theirs = get_context("spawn").Pipe()
    camera = get_context("spawn").Process(target=serve, args=(theirs, arguments.fps), daemon=True)
    camera.start()
    segmenter = Segmenter(SleepingRuntime(network_seconds), size=(160, 96))
    segmenter(np.zeros((96, 160, 3), np.uint8))  # imports what the first image needs
    seen: list[tuple[int, float, float]] = []
    dropped = 0
    started = time.monotonic()
    with segmenter.stream(pipe.recv()) as stream:
        for result in stream:
            now = time.monotonic()
            seen.append((number_in(result.image), now, result.latency_ms))
            dropped += result.dropped
            if now - started > arguments.seconds:
                break
    pipe.send("stop")
    sent_at: dict[int, float] = pipe.recv()
    camera.join()

    ages_ms = np.array([1e3 * (now - sent_at[number]) for number, now, _ in seen])
    late = np.array([now - started > arguments.seconds - LAST_SECONDS for _, now, _ in seen])
    limit_ms = 2e3 * network_seconds
    report = {
        "streamseg": __version__,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "seconds": arguments.seconds,
        "camera_fps": arguments.fps,
        "network_ms": round(1e3 * network_seconds, 1),
        "results": len(seen),
        "dropped": dropped,
        "age_ms_p50_p95_p99_max": np.percentile(ages_ms, (50, 95, 99, 100)).round(1).tolist(),
        "age_ms_of_last_10_s_p50_max": np.percentile(ages_ms[late], (50, 100)).round(1).tolist(),
        "latency_ms_as_told_p50": round(float(np.median([told for *_, told in seen])), 1),
        "limit_ms": round(limit_ms, 1),
        "within_limit": bool(ages_ms[late].max() <= limit_ms),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()

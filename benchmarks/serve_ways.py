"""JPEG and H.264 of the page: bytes, CPU, and the age of the image.

    python -m benchmarks.serve_ways CLIP

- Bytes per second of the clip at 960x540 and its own rate, and CPU of the server for each frame.
- CPU of Chromium for each frame that the page shows, and the age of the image, of the live source
  of ``benchmarks.serve``.

The last line is one JSON document.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
import psutil

from benchmarks.clock_source import HEIGHT, READER, STRIPES, TIME_BITS, WIDTH
from benchmarks.serve import open_page, segmenting
from streamseg.cli.arguments import above_zero, positive
from streamseg.frame import Image
from streamseg.serve.encoded import to_jpeg
from streamseg.serve.fragments import TICKS, FragmentEncoder
from streamseg.serve.video_feed import KEY_SECONDS
from streamseg.video.source import open_source

WAYS: Final = ("jpeg", "h264")


def encoder_of(way: str, fps: float) -> Callable[[int, Image], bytes]:
    """Gives the bytes of the k-th image."""
    if way == "jpeg":
        return lambda _, image: to_jpeg(image)
    encoder = FragmentEncoder(WIDTH, HEIGHT)
    period = round(KEY_SECONDS * fps)

    def encode(k: int, image: Image) -> bytes:
        is_key = k % period == 0
        fragment = encoder.encode(image, round(k * TICKS / fps), TICKS, is_key=is_key)
        return (encoder.head if is_key else b"") + fragment.data

    return encode


def measure_encoding(clip: Path, frames: int) -> dict[str, dict[str, float]]:
    """Bytes and CPU of the server."""
    with open_source(clip) as source:
        fps = float(source.average_rate or 25)
        images = [frame.render(WIDTH, HEIGHT) for frame in islice(source, frames)]
    found = {}
    for way in WAYS:
        encode = encoder_of(way, fps)
        started = time.process_time()
        sizes = [len(encode(k, image)) for k, image in enumerate(images)]
        cpu_seconds = time.process_time() - started
        found[way] = {
            "kilobytes_per_second": round(float(np.mean(sizes)) * fps / 1e3, 1),
            "server_cpu_ms_per_frame": round(1e3 * cpu_seconds / len(images), 2),
        }
    return found


def browser_cpu_seconds() -> float:
    """CPU of all processes that this one has started and that are Chromium's."""
    total = 0.0
    for process in psutil.Process().children(recursive=True):
        if "chrom" in process.name():
            times = process.cpu_times()
            total += times.user + times.system
    return total


def measure_page(way: str, fps: float, seconds: float, runtime: str) -> dict[str, float]:
    """CPU of Chromium, and the age of the image."""
    with segmenting(fps, runtime) as process, open_page(process.url, way) as page:
        started = browser_cpu_seconds()
        before = int(page.get_attribute(".camera canvas", "data-frame"))
        page.wait_for_timeout(1e3 * seconds)
        frames = int(page.get_attribute(".camera canvas", "data-frame")) - before
        cpu_seconds = browser_cpu_seconds() - started
        page.evaluate(READER, [TIME_BITS, STRIPES])
        process.latencies_ms()
        page.wait_for_timeout(1e3 * seconds)
        ages_ms, latencies_ms = page.evaluate("window.ages"), process.latencies_ms()
    return {
        "browser_cpu_ms_per_frame": round(1e3 * cpu_seconds / max(1, frames), 1),
        "age_p50_ms": round(float(np.median(ages_ms)), 1),
        "latency_p50_ms": round(float(np.median(latencies_ms)), 1),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="JPEG and H.264 of the page")
    parser.add_argument("clip", type=Path, metavar="CLIP")
    parser.add_argument("--frames", type=positive, default=250, metavar="N", help="(250)")
    parser.add_argument("--fps", type=above_zero, default=8.0, help="of the live source (8)")
    parser.add_argument("--seconds", type=above_zero, default=20.0, help="of each part (20)")
    parser.add_argument("--runtime", default="onnx", help="(onnx)")
    arguments = parser.parse_args()
    report: dict[str, dict[str, Any]] = dict(measure_encoding(arguments.clip, arguments.frames))
    for way in WAYS:
        report[way].update(measure_page(way, arguments.fps, arguments.seconds, arguments.runtime))
        print(f"{way:<5} {report[way]}", flush=True)
    print(json.dumps(report))


if __name__ == "__main__":
    main()

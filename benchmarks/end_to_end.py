"""Measure frames per second from a video file to results, in turns with a YOLO segmenter.

    python -m benchmarks.end_to_end clip.mp4 --yolo yolo11n-seg.onnx

Both run in one process, in turns, on all CPU cores, at the same input size: YOLO on ONNX Runtime
with Ultralytics' own ``predict(stream=True)``, streamseg on the backend of ``--runtime``. Nothing
is drawn or written. The package ``ultralytics`` (AGPL-3.0) is not a dependency of streamseg:
install it in an environment of its own, and export the model there at the size of ``--size``
(height first):

    yolo export model=yolo11n-seg.yaml format=onnx imgsz=384,640

Without ``--yolo`` only streamseg runs. The last line of the output is one JSON document.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from benchmarks.network_speed import in_onnxruntime
from streamseg import Segmenter, __version__, load
from streamseg.cli.arguments import image_size
from streamseg.cli.summary import Summary
from streamseg.loading import RUNTIMES, SHIPPED_MODEL


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="frames per second, in turns with a rival")
    parser.add_argument("clip", type=Path)
    parser.add_argument("--model", type=Path, default=SHIPPED_MODEL, help="of streamseg")
    parser.add_argument("--yolo", type=Path, help="ONNX file of a YOLO segmentation model")
    parser.add_argument("--size", type=image_size, default=(640, 384), metavar="WxH")
    parser.add_argument("--runtime", choices=RUNTIMES, default="onnx", help="of streamseg (onnx)")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()

    segmenter = load(arguments.model, size=arguments.size, runtime=arguments.runtime)
    stages = Summary()
    streams: dict[str, Callable[[], float]] = {
        "streamseg": lambda: streamseg_fps(segmenter, arguments.clip, stages)
    }
    width, height = arguments.size
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    networks = {"streamseg": milliseconds_of(lambda: segmenter.runtime.run(image))}
    if arguments.yolo:
        streams["yolo"] = yolo_stream(arguments.yolo, arguments.clip, arguments.size)
        planes = rng.random((1, 3, height, width), dtype=np.float32)
        threads = os.cpu_count() or 1
        networks["yolo"] = milliseconds_of(in_onnxruntime(arguments.yolo, planes, threads))

    network_ms = measure(networks, rounds=10 * arguments.rounds)
    fps = measure(streams, rounds=arguments.rounds)
    report: dict[str, Any] = {
        "streamseg_version": __version__,
        "runtime": segmenter.runtime.description,
        "onnxruntime": onnxruntime.__version__,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "model": arguments.model.name,
        "clip": arguments.clip.name,
        "size": arguments.size,
        "network_ms": {name: spread(values) for name, values in network_ms.items()},
        "fps": {name: spread(values) for name, values in fps.items()},
    }
    for what in ("network_ms", "fps"):
        for name, values in report[what].items():
            print(
                f"{what:<11} {name:<10} median {values[1]:.1f}  (20%: {values[0]:.1f}, 80%: "
                f"{values[2]:.1f})"
            )
    if arguments.yolo:
        ratio = [a / b for a, b in zip(fps["streamseg"], fps["yolo"], strict=True)]
        report["fps_ratio"] = statistics.median(ratio)
        ratio = [a / b for a, b in zip(network_ms["streamseg"], network_ms["yolo"], strict=True)]
        report["network_time_ratio"] = statistics.median(ratio)
        print(
            f"streamseg / yolo: frames per second {report['fps_ratio']:.2f}, "
            f"time of the network {report['network_time_ratio']:.2f}"
        )
    print(stages.stage_table())
    print(json.dumps(report))


def measure(calls: dict[str, Callable[[], float]], *, rounds: int) -> dict[str, list[float]]:
    """Collect what calls return, in turns; the first round is a warm-up.

    Args:
        calls: by name.
        rounds: how often each is called after the warm-up.
    """
    values: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds + 1):
        for name, call in calls.items():
            value = call()
            if turn:
                values[name].append(value)
    return values


def spread(values: list[float]) -> list[float]:
    """20th percentile, median, 80th percentile."""
    return [float(v) for v in np.percentile(values, (20, 50, 80))]


def streamseg_fps(segmenter: Segmenter, clip: Path, stages: Summary) -> float:
    """Frames per second of streamseg over the whole clip, opening it included."""
    started = time.perf_counter()
    count = 0
    for result in segmenter.stream(clip):
        stages.add(result)
        count += 1
    return count / (time.perf_counter() - started)


def yolo_stream(model: Path, clip: Path, size: tuple[int, int]) -> Callable[[], float]:
    """A call that returns the frames per second of Ultralytics over the whole clip."""
    from ultralytics import YOLO

    peer = YOLO(model, task="segment")

    def fps() -> float:
        started = time.perf_counter()
        count = sum(
            1
            for _ in peer.predict(
                str(clip), stream=True, imgsz=(size[1], size[0]), device="cpu", verbose=False
            )
        )
        return count / (time.perf_counter() - started)

    return fps


def milliseconds_of(call: Callable[[], object]) -> Callable[[], float]:
    """A call that returns the time of another call."""

    def timed() -> float:
        started = time.perf_counter()
        call()
        return 1e3 * (time.perf_counter() - started)

    return timed


if __name__ == "__main__":
    main()

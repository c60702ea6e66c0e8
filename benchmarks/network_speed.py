"""Time networks on the CPU, in turns: streamseg's and others, in each backend that is installed.

    python -m benchmarks.network_speed --yolo yolo11n-seg.onnx --float model.onnx

Compare ratios: all run on the same machine under the same load. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from streamseg.cli.arguments import image_size, positive
from streamseg.frame import Image
from streamseg.loading import SHIPPED_MODEL

WARM_UP_ROUNDS = 3


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--size", type=image_size, default=(640, 384), metavar="WxH")
    parser.add_argument("--threads", type=positive, default=2)
    parser.add_argument("--rounds", type=positive, default=30)
    parser.add_argument("--float", type=Path, help="the model in float, as train writes it")
    parser.add_argument("--torch", type=Path, help="the same as .safetensors, to run in torch")
    parser.add_argument("--yolo", type=Path, help="YOLO11n-seg, exported to ONNX at this size")
    arguments = parser.parse_args()
    width, height = arguments.size
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (1, height, width, 3), dtype=np.uint8)
    planes = rng.random((1, 3, height, width), dtype=np.float32)
    files: dict[str, tuple[Path, NDArray[Any]]] = {"shipped": (SHIPPED_MODEL, image)}
    if arguments.float:
        files["float"] = arguments.float, image
    if arguments.yolo:
        files["yolo"] = arguments.yolo, planes

    calls: dict[str, Callable[[], object]] = {}
    for name, (path, pixels) in files.items():
        calls[f"{name}, ONNX Runtime"] = in_onnxruntime(path, pixels, arguments.threads)
        for precision in openvino_precisions():
            call = in_openvino(path, pixels, arguments.threads, precision)
            calls[f"{name}, OpenVINO {precision}"] = call
    if arguments.torch:
        calls["float, torch"] = in_torch(arguments.torch, image[0], arguments.threads)
    times: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(WARM_UP_ROUNDS + arguments.rounds):
        for name, call in calls.items():
            started = time.perf_counter()
            call()
            if number >= WARM_UP_ROUNDS:
                times[name].append(1e3 * (time.perf_counter() - started))

    first = float(np.median(times["shipped, ONNX Runtime"]))
    rows = {}
    print(f"{platform.machine()}, {arguments.threads} threads, {width}x{height}")
    for name, spent in times.items():
        low, median, high = np.percentile(spent, [20, 50, 80]).tolist()
        rows[name] = {"p20_ms": low, "median_ms": median, "p80_ms": high, "ratio": median / first}
        print(f"{name:28}{median:8.1f} ms ({low:.1f}..{high:.1f}){median / first:8.2f}")
    print(json.dumps({"size": arguments.size, "threads": arguments.threads, "networks": rows}))


def in_torch(path: Path, image: Image, threads: int) -> Callable[[], object]:
    """A call that runs weights in torch."""
    # its idle threads must not spin while the next network is measured
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    import torch

    from streamseg.model.weights import load_safetensors, network_from
    from streamseg.runtime.torch_cpu import TorchRuntime

    torch.set_num_threads(threads)
    runtime = TorchRuntime.copy_of(network_from(*load_safetensors(path)))
    return lambda: runtime.run(image)


def in_onnxruntime(path: Path, pixels: np.ndarray[Any, Any], threads: int) -> Callable[[], object]:
    """A call that runs a file in ONNX Runtime."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # its idle threads must not spin while the next network is measured
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda: session.run(None, {name: pixels})


def openvino_precisions() -> tuple[str, ...]:
    """The precisions that OpenVINO computes in here; none if it is not installed."""
    try:
        from streamseg.runtime.openvino import precisions
    except ImportError:
        return ()
    return precisions()


def in_openvino(
    path: Path, pixels: np.ndarray[Any, Any], threads: int, precision: str
) -> Callable[[], object]:
    """A call that runs a file in OpenVINO, compiled for this size."""
    from openvino import Core

    core = Core()
    model = core.read_model(path)
    model.reshape(list(pixels.shape))
    options = {
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": precision,
        "ENABLE_CPU_PINNING": False,
    }
    request = core.compile_model(model, "CPU", options).create_infer_request()
    return lambda: request.infer({0: pixels}, share_inputs=True, share_outputs=True)


if __name__ == "__main__":
    main()

"""Measure what a model loses in half precision and in 8 bits for TensorRT, without a GPU.

    python -m benchmarks.export_parity --data VOC2012

Exports the weights, runs the files on ONNX Runtime and compares them with the network in torch in
float32: the share of the network's labels that stay the same, the share of pixels that keep their
class after grouping, and the change of mAP^r. The 8-bit file is calibrated on images of the
training split; if its outputs are too far off, it is left out. Needs the extras ``train`` and
``export``. The last line of the output is one JSON document.

On few images mAP^r changes in steps: measure it on the whole split (``--images 0``).
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from pathlib import Path
from typing import Any

import onnxruntime
import torch

from benchmarks.accuracy import AccuracyChange, score
from streamseg import __version__
from streamseg.datasets import open_dataset
from streamseg.errors import ModelError
from streamseg.export.quantize import TENSORRT, quantize_onnx
from streamseg.export.to_onnx import export_onnx
from streamseg.loading import SHIPPED_MODEL
from streamseg.model.weights import load_safetensors, network_from
from streamseg.release.parity import TOLERANCES, compare
from streamseg.runtime.onnx import OnnxRuntime
from streamseg.runtime.torch_cpu import TorchRuntime
from streamseg.train.data import evenly_chosen, images_at_input_size

MOST_LOST_POINTS = {"fp16": 0.5, "int8": 1.5}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="accuracy of exported files")
    parser.add_argument("--data", type=Path, required=True, help="folder in VOC's layout")
    parser.add_argument("--split", default="val")
    parser.add_argument("--images", type=int, default=100, help="of the split; 0: all")
    parser.add_argument("--calibration", type=int, default=64, help="images of --data's train")
    parser.add_argument("--weights", type=Path, default=SHIPPED_MODEL.with_suffix(".safetensors"))
    parser.add_argument("--threads", type=int)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)

    network = network_from(*load_safetensors(arguments.weights))
    reference = TorchRuntime.copy_of(network)
    data = open_dataset(arguments.data, arguments.split)
    chosen = evenly_chosen(arguments.images or len(data), len(data))
    ids = [data.ids[index] for index in chosen]
    images = images_at_input_size([(data, id_) for id_ in ids], network.config, len(ids))
    train = open_dataset(arguments.data, "train")
    calibration = images_at_input_size(
        [(train, id_) for id_ in train.ids], network.config, arguments.calibration
    )
    truth = score(reference, data, ids)
    print(f"torch float32: mAP^r {100 * truth.map_r[truth.thresholds.index(0.5)]:.2f}", flush=True)

    rows: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        half, integer = Path(folder, "fp16.onnx"), Path(folder, "int8.onnx")
        export_onnx(network, half, precision="fp16")
        files = {"fp16": half}
        try:
            quantize_onnx(half, integer, calibration, scheme=TENSORRT)
            files["int8"] = integer
        except ModelError as error:
            print(f"int8: refused, {error}", flush=True)
        for name, path in files.items():
            started = time.perf_counter()
            runtime = OnnxRuntime(path, threads=arguments.threads)
            parity = compare(reference, runtime, images)
            change = AccuracyChange(truth, score(runtime, data, ids))
            rows[name] = {
                "label_agreement": parity.label_agreement,
                "class_agreement": parity.class_agreement,
                "sure_agreement": parity.sure_agreement,
                **{f"{name}_relative": off.relative for name, off in parity.tensors.items()},
                "map_r_points": change.points,
                "map_vol_points": change.volume_points,
                "bytes": path.stat().st_size,
                "seconds": time.perf_counter() - started,
            }
            limit = TOLERANCES[name].sure_agreement
            met = parity.sure_agreement >= limit and change.points >= -MOST_LOST_POINTS[name]
            print(
                f"{name}: {parity.label_agreement:.2%} of the labels stay; "
                f"{parity.class_agreement:.2%} of the pixels keep their class, "
                f"{parity.sure_agreement:.2%} without close scores (limit {limit:.1%}), "
                f"mAP^r {change.points:+.2f} points (limit -{MOST_LOST_POINTS[name]}), "
                f"mAP^r_vol {change.volume_points:+.2f}: "
                f"{'met' if met else 'MISSED'}",
                flush=True,
            )
    print(
        json.dumps(
            {
                "streamseg_version": __version__,
                "torch": torch.__version__,
                "onnxruntime": onnxruntime.__version__,
                "machine": platform.machine(),
                "weights": arguments.weights.name,
                "images": len(ids),
                "calibration_images": len(calibration),
                "files": rows,
            }
        )
    )


if __name__ == "__main__":
    main()

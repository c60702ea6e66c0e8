"""Measure what each part of the training recipe is worth, by short runs from the shipped weights.

    python -m benchmarks.ablation --data VOC2012:train_all street coco --voc VOC2012 --street street

Every row changes one setting and trains for the same number of steps on the same drawn images,
unless the setting changes how images are drawn. Rows of the second table start with new heads,
because their heads have another shape. Each row is scored with its last weights and with their
moving average. The first row is run twice, the second time with another seed: smaller differences
than between these two are noise. Rows that are already in ``--out`` are not run again.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from streamseg.cli.train import read_split
from streamseg.config import ModelConfig
from streamseg.datasets import InstanceDataset
from streamseg.datasets.class_names import all_of
from streamseg.evaluate.predictions import LEAST_SCORE, score_instances
from streamseg.export.to_onnx import export_onnx
from streamseg.loading import SHIPPED_MODEL, load
from streamseg.model.network import Network
from streamseg.model.weights import load_safetensors, network_from
from streamseg.train.config import TrainConfig
from streamseg.train.loop import Trainer

MAX_PIXELS = 110592
BASE = TrainConfig(
    batch_size=8,
    crop_sizes=(256,),
    scale_range=(0.5, 1.4),
    learning_rate=1e-3,
    trunk_learning_rate=1e-4,
    class_weight_start=0.0,
    class_weight_full=0.001,
    warmup=0.05,
    decay=0.95,
    mask_weight=0.0,
    ema_decay=0.98,
    checkpoint_every=100,
)
TRAIN_ROWS: dict[str, dict[str, Any]] = {
    "nothing changed": {},
    "nothing changed, another seed": {"seed": 1},
    "mask_weight = 0.5": {"mask_weight": 0.5},
    "mask_weight = 2": {"mask_weight": 2.0},
    "balance = 0": {"balance": 0.0},
    "balance = 1": {"balance": 1.0},
    "semantic_weight = 0": {"semantic_weight": 0.0},
    "unlabelled classes are background": {},
}
MODEL_ROWS: dict[str, dict[str, Any]] = {
    f"embedding_dim = {d}": {"embedding_dim": d} for d in (2, 8, 32, 256)
}


def main() -> None:
    """Run the rows that are missing, then print the tables."""
    parser = argparse.ArgumentParser(description="what each part of the recipe is worth")
    parser.add_argument("--data", nargs="+", required=True, metavar="DIR[:SPLIT]")
    parser.add_argument("--voc", required=True, metavar="DIR[:SPLIT]")
    parser.add_argument("--street", required=True, metavar="DIR[:SPLIT]")
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--jobs", type=int, default=2, help="rows at a time, a core each")
    parser.add_argument("--out", type=Path, default=Path("runs/ablation.jsonl"))
    parser.add_argument("--row", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.row:
        torch.set_num_threads(1)
        print(json.dumps(run_row(arguments.row, arguments)))
        return
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.touch()
    done = {json.loads(line)["row"] for line in arguments.out.read_text().splitlines()}
    missing = [row for row in (*TRAIN_ROWS, *MODEL_ROWS) if row not in done]

    def run(row: str) -> None:
        line = subprocess.run(
            [sys.executable, *sys.argv, "--row", row],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        ).stdout
        with arguments.out.open("a") as file:
            file.write(line)

    with ThreadPoolExecutor(arguments.jobs) as pool:
        list(pool.map(run, missing))
    rows = [json.loads(line) for line in arguments.out.read_text().splitlines()]
    for table in (TRAIN_ROWS, MODEL_ROWS):
        print_table([row for name in table for row in rows if row["row"] == name])


def run_row(name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Train and score one row."""
    weights, model_config = load_safetensors(SHIPPED_MODEL.with_suffix(".safetensors"))
    model_config = replace(model_config, max_pixels=MAX_PIXELS, **MODEL_ROWS.get(name, {}))
    if name in MODEL_ROWS:
        weights = with_new_heads(weights, model_config)
    config = replace(BASE, steps=arguments.steps, **TRAIN_ROWS.get(name, {}))
    datasets = [read_split(text, "train") for text in arguments.data]
    if name == "unlabelled classes are background":
        for data in datasets:
            data.labelled_classes = all_of(data.class_names)
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(datasets, Path(folder), model_config, config, start_from=weights)
        trainer.run(lambda _: None)
        losses = [json.loads(line) for line in (Path(folder) / "metrics.jsonl").open()]
        result: dict[str, Any] = {"row": name, "steps": config.steps}
        result["seconds"] = sorted(line["seconds"] for line in losses)[len(losses) // 2]
        for kind, tensors in (
            ("last", trainer.learner.network.state_dict()),
            ("mean", trainer.learner.weights()),
        ):
            model = Path(folder) / f"{kind}.onnx"
            export_onnx(network_from(tensors, model_config), model)
            result[kind] = score(model, read_split(arguments.voc, "val"), 0)
        result["street"] = score(model, read_split(arguments.street, "val"), 500)
    return result


def with_new_heads(
    weights: dict[str, torch.Tensor], model_config: ModelConfig
) -> dict[str, torch.Tensor]:
    """Weights for heads of another shape: new heads, and trunk and neck of ``weights``."""
    torch.manual_seed(0)
    start = Network(model_config).state_dict()
    for name, value in weights.items():
        if name in start and name.startswith(("trunk.", "neck.", "semantic_head.")):
            start[name] = value
    return start


def score(model: Path, data: InstanceDataset, min_area_px: int) -> dict[str, float]:
    """mAP^r at 0.5 and 0.7, mAP^r_vol, and two classes at 0.5, in percent."""
    segmenter = load(model, min_score=LEAST_SCORE, threads=1)
    result = score_instances(segmenter, data, data.ids, min_area_px)
    at = {round(threshold, 2): j for j, threshold in enumerate(result.thresholds)}
    scores = {
        "0.5": result.map_r[at[0.5]],
        "0.7": result.map_r[at[0.7]],
        "vol": result.map_vol,
        "car": result.ap[data.class_names.index("car"), at[0.5]],
        "person": result.ap[data.class_names.index("person"), at[0.5]],
    }
    return {name: round(100 * float(value), 2) for name, value in scores.items()}


def print_table(rows: list[dict[str, Any]]) -> None:
    """Print a table as Markdown."""
    scores = "VOC mAP^r 0.5 / 0.7 / mAP^r_vol"
    print(f"| | {scores} | with averaged weights | street car / person | s/step |")
    print("|---|---|---|---|---|")
    for row in rows:
        last, mean = (
            f"{row[kind]['0.5']:.1f} / {row[kind]['0.7']:.1f} / {row[kind]['vol']:.1f}"
            for kind in ("last", "mean")
        )
        street = f"{row['street']['car']:.1f} / {row['street']['person']:.1f}"
        print(f"| {row['row']} | {last} | {mean} | {street} | {row['seconds']:.2f} |")
    print()


if __name__ == "__main__":
    main()

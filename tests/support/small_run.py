"""A run of a tiny network, for tests within the process and, as a script, in others."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import torch

from streamseg.classes import VOC_CLASSES
from streamseg.config import ModelConfig
from streamseg.datasets import VocLayout
from streamseg.train.config import TrainConfig
from streamseg.train.loop import Trainer
from streamseg.train.processes import started_by_torchrun

MODEL = ModelConfig(
    trunk="test_efficientnet",
    embedding_dim=8,
    neck_channels=16,
    head_channels=16,
    taus=(0.5, 0.75),
    class_names=VOC_CLASSES,
    max_pixels=96 * 64,
)
RUN = TrainConfig(
    steps=40,
    batch_size=3,
    crop_sizes=(64,),
    learning_rate=5e-3,
    trunk_learning_rate=2e-3,
    warmup=0.1,
    decay=0.3,
    class_weight_start=0.0,
    class_weight_full=0.1,
    checkpoint_every=1000,
    ema_decay=0.0,
    device="cpu",
)


def main(voc: str, folder: str, start: str, changes: str) -> None:
    """Train; print the sum of all weights at the end."""
    with started_by_torchrun() as processes:
        trainer = Trainer(
            [VocLayout(voc, "train")],
            Path(folder),
            MODEL,
            replace(RUN, **json.loads(changes)),
            start_from=torch.load(start, weights_only=True),
            processes=processes,
        )
        trainer.run(lambda metrics: None)
        weights = sum(
            parameter.double().sum() for parameter in trainer.learner.network.parameters()
        )
        print(f"weights {float(weights)!r}")


if __name__ == "__main__":
    main(*sys.argv[1:])

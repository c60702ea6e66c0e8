"""Several processes that train one network."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from small_run import MODEL, RUN
from torch import Tensor

from streamseg.datasets import VocLayout
from streamseg.errors import ConfigError
from streamseg.model.network import Network
from streamseg.train.data import Batch, BatchStream
from streamseg.train.loop import Trainer
from streamseg.train.metrics import StepMetrics
from streamseg.train.processes import Processes
from streamseg.train.run_folder import METRICS
from streamseg.train.step import Losses, TrainingOutputs, batch_losses, draw_batch_points

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


@dataclass(frozen=True)
class Replayed(Processes):
    """One of several processes whose sum with the others is known."""

    total: Tensor | None = None

    def sum(self, values: Tensor) -> Tensor:
        assert self.total is not None
        return self.total


def test_the_losses_of_the_shares_average_to_those_of_the_batch(voc: VocLayout) -> None:
    torch.manual_seed(0)
    outputs = TrainingOutputs(Network(MODEL).eval(), torch.float32, None)
    batch = BatchStream([voc], MODEL, replace(RUN, batch_size=4))[1]
    void = torch.full_like(batch.labels[3], 255)
    batch = replace(batch, labels=[*batch.labels[:3], void])  # one share has less to learn from
    points = draw_batch_points(batch, RUN, seed=0)

    def losses(rows: slice, processes: Processes) -> Losses:
        share = Batch(
            pixels=batch.pixels[rows],
            labels=batch.labels[rows],
            coverage=batch.coverage[rows],
            class_of_object=batch.class_of_object[rows],
            unlabelled=batch.unlabelled[rows],
            centres=batch.centres[rows],
            image_ids=batch.image_ids[rows],
            seconds=0.0,
        )
        with torch.no_grad():
            read = outputs(share.pixels, share.centres)
        return batch_losses(read, share, points[rows], MODEL.taus, RUN, 10, processes)

    whole = losses(slice(None), Processes())
    drawn = float(sum(len(p.index) for p in points))
    sums = torch.tensor([3.0, drawn])
    shares = [
        losses(slice(rank, None, 2), Replayed(rank=rank, count=2, total=sums)) for rank in (0, 1)
    ]
    for name in ("embedding", "classification", "semantic", "total"):
        mean = sum(getattr(share, name) for share in shares) / 2
        assert float(mean) == pytest.approx(float(getattr(whole, name)), rel=1e-4), name


def test_two_processes_learn_like_one(voc: VocLayout, tmp_path: Path) -> None:
    torch.manual_seed(0)
    start = Network(MODEL).state_dict()
    torch.save(start, tmp_path / "start.pt")
    changes: dict[str, Any] = {"steps": 20, "batch_size": 24, "learning_rate": 3e-3}
    script = Path(__file__).parents[1] / "support" / "small_run.py"
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    done = subprocess.run(
        [
            *(*torchrun, "--nproc-per-node", "2"),
            *map(str, (script, voc.root, tmp_path / "two", tmp_path / "start.pt")),
            json.dumps(changes),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    weights = re.findall(r"weights (\S+)", done.stdout)
    assert len(weights) == 2
    assert weights[0] == weights[1]

    one: list[StepMetrics] = []
    config = replace(RUN, **changes)
    Trainer([voc], tmp_path / "one", MODEL, config, start_from=start).run(one.append)
    lines = [json.loads(line) for line in (tmp_path / "two" / METRICS).read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(20))
    # batch norms see half of the batch each, and half of the points are others: large batches and
    # a low rate keep the two runs close
    for name, noise in (("embedding_loss", 0.15), ("semantic_loss", 0.15), ("loss", 0.15)):
        alone = torch.tensor([getattr(metrics, name) for metrics in one])
        shared = torch.tensor([line[name] for line in lines])
        assert (shared - alone).abs().mean() < noise * alone.mean(), name
        assert shared[-4:].mean() < 0.8 * shared[:4].mean(), name


def test_a_batch_that_cannot_be_shared_is_refused(voc: VocLayout, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="batch_size must be a multiple of the 2 processes"):
        Trainer([voc], tmp_path, MODEL, RUN, processes=Processes(count=2))

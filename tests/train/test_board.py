from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from small_run import MODEL

from streamseg.datasets import Sample
from streamseg.model.network import Network
from streamseg.train.board import Board, result_sheet
from streamseg.train.metrics import StepMetrics

# by TensorBoard's own reader, in a process of its own for the warnings of its dependencies
READ = """
import sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1]).Reload()
print([(event.step, round(event.value, 3)) for event in events.Scalars("loss")])
print([(tag, event.step, event.width, event.height)
       for tag in events.Tags()["images"] for event in events.Images(tag)])
"""
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def read(folder: Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", READ, str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def metrics(step: int) -> StepMetrics:
    return StepMetrics(step, 0.5 + step, *[1.0] * 11)


def test_tensorboard_reads_scalars_and_images_each_step_once(tmp_path: Path) -> None:
    torch.manual_seed(0)
    weights = Network(MODEL).state_dict()
    sample = Sample(
        id="grey",
        object_map=np.zeros((64, 96), np.uint8),
        class_of_object=np.zeros(0, np.int64),
        image=np.full((64, 96, 3), 90, np.uint8),
    )
    killed = Board(tmp_path, 0)
    for step in range(5):
        killed.add(metrics(step))
    killed.close()

    board = Board(tmp_path, 3)
    board.add(metrics(3))
    board.show([sample], weights, MODEL, 4)
    board.close()
    scalars, images = read(tmp_path)
    assert scalars == str([(step, 0.5 + step) for step in range(4)])
    assert images == str([("images/grey", 4, 3 * 96 + 8, 64)])


def test_the_sheet_shows_the_image_its_embeddings_and_its_seeds() -> None:
    torch.manual_seed(0)
    network = Network(MODEL).eval()
    image = np.full((64, 96, 3), 90, np.uint8)
    image[20:40, 30:60] = (220, 30, 30)
    sheet = result_sheet(network, image)
    assert sheet.dtype == np.uint8
    assert sheet.shape == (64, 3 * 96 + 8, 3)
    assert sheet[:, 100:196].std() > 10  # false colours are stretched to their range

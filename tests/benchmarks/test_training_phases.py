from __future__ import annotations

from dataclasses import replace

import torch
from small_run import MODEL, RUN

from benchmarks.training_phases import PHASES, Phases, watched
from benchmarks.training_step import learn, synthetic_batch
from streamseg.model.network import Network
from streamseg.train.learner import Learner
from streamseg.train.processes import Processes


def test_the_clock_sees_every_phase_of_a_step_with_a_trunk_that_detects() -> None:
    torch.manual_seed(0)
    network = Network(replace(MODEL, trunk="picodet-s"))
    learner = Learner(network, replace(RUN, ema_decay=0.9), Processes(), None)
    learner.start()
    batch = synthetic_batch(2, 64, 2, len(MODEL.class_names))
    phases = Phases(learner.device)
    with watched(phases), phases.step():
        learn(learner, batch)
    assert set(phases.seconds) == set(PHASES)

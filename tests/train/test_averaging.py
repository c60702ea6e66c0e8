from __future__ import annotations

import pytest
import torch
from torch import nn

from streamseg.config import ModelConfig
from streamseg.errors import ConfigError
from streamseg.model.network import Network
from streamseg.train.averaging import WeightAverage
from streamseg.train.config import TrainConfig
from streamseg.train.learner import Learner
from streamseg.train.processes import Processes


def test_the_average_follows_the_weights_slowly_after_the_first_steps() -> None:
    network = nn.BatchNorm1d(3)
    average = WeightAverage(network, 0.75)
    expected = 1.0
    for step, weight in enumerate((2.0, 4.0, 8.0)):
        nn.init.constant_(network.weight, weight)
        average.update(network, step)
        decay = min(0.75, (step + 1) / (step + 10))
        expected = decay * expected + (1 - decay) * weight
    assert torch.allclose(average.tensors["weight"], torch.tensor(expected))
    assert network.weight[0] == 8

    for step in range(1000, 1004):
        nn.init.constant_(network.weight, 0.0)
        average.update(network, step)
    assert torch.allclose(average.tensors["weight"], torch.tensor(expected * 0.75**4))


def test_counters_are_copied() -> None:
    network = nn.BatchNorm1d(3)
    average = WeightAverage(network, 0.9)
    network(torch.rand(4, 3))
    average.update(network, 0)
    assert average.tensors["num_batches_tracked"] == 1
    assert average.tensors["num_batches_tracked"].dtype == torch.int64


def test_exported_trunk_is_mixed_with_the_initial_one() -> None:
    network = Network(ModelConfig(trunk="picodet-s"))
    config = TrainConfig(device="cpu", initial_trunk_share=0.25, ema_decay=0.0)
    learner = Learner(network, config, Processes(), None)
    initial = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1.0)
    weights = learner.weights()
    for name, parameter in network.named_parameters():
        share = 0.75 if name.startswith("trunk.") else 1.0
        assert torch.allclose(weights[name], initial[name] + share, atol=1e-5), name
        assert torch.equal(parameter, initial[name] + 1.0)  # training goes on from here


def test_a_share_of_the_initial_trunk_needs_one_that_is_kept() -> None:
    config = TrainConfig(device="cpu", initial_trunk_share=0.25)
    with pytest.raises(ConfigError, match="initial_trunk_share needs a trunk that detects"):
        Learner(Network(ModelConfig(trunk="test_efficientnet")), config, Processes(), None)

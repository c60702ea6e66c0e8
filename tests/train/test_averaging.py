from __future__ import annotations

import torch
from torch import nn

from streamseg.train.averaging import WeightAverage


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

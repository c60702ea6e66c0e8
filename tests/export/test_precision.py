from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn

from streamseg.config import ModelConfig
from streamseg.export.precision import fold_batch_norms, planned
from streamseg.model.network import Network
from streamseg.model.positions import coordinates


def settled(channels: int) -> nn.BatchNorm2d:
    """A norm that does something."""
    norm = nn.BatchNorm2d(channels)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.running_mean.uniform_(-1, 1)
    norm.running_var.uniform_(0.5, 2)
    return norm


def norms(network: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())


def test_a_plan_leaves_the_callers_network_alone(small_network: Network) -> None:
    before = {name: tensor.clone() for name, tensor in small_network.state_dict().items()}
    assert small_network.training
    planned(small_network, "fp16")
    assert small_network.training
    assert norms(small_network) > 10
    after = small_network.state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())
    assert all(parameter.requires_grad for parameter in small_network.parameters())


def test_no_batch_norm_is_left_and_the_results_stay(small_network: Network) -> None:
    pixels = 255 * torch.rand(1, 3, 64, 96)
    folded = planned(small_network, "fp32")
    assert norms(folded) == 0
    with torch.no_grad():
        exact = deepcopy(small_network).eval().output(pixels)
        for ours, theirs in zip(folded.output(pixels), exact, strict=True):
            assert torch.allclose(ours, theirs, rtol=0, atol=1e-5 * float(theirs.abs().max()))


def test_convolutions_and_outputs_are_half_and_coordinates_are_computed_in_float(
    small_network: Network,
) -> None:
    halved = planned(small_network, "fp16")
    convolutions = [module for module in halved.modules() if isinstance(module, nn.Conv2d)]
    assert {conv.weight.dtype for conv in convolutions} == {torch.float16}
    assert halved.std is not None
    assert halved.mean.dtype == halved.std.dtype == torch.float32
    with torch.no_grad():
        output = halved.output(255 * torch.rand(1, 3, 64, 96))
    assert {values.dtype for values in output} == {torch.float16}
    # in half precision row 2049 would be row 2048
    tall = torch.zeros(1, 1, 4096, 1)
    exact = coordinates(tall, halved.config)
    assert torch.equal(coordinates(tall.half(), halved.config), exact.half())
    assert (exact[0, 1, :, 0].diff() > 0).all()


class TwoReaders(nn.Module):
    """One convolution read through two norms; one norm of an input; one pair in a row."""

    def __init__(self) -> None:
        super().__init__()
        self.norm_of_input = settled(3)
        self.one, self.other = settled(4), settled(4)  # defined before the convolution
        self.shared = nn.Conv2d(3, 4, 1)
        self.alone, self.after = nn.Conv2d(3, 4, 1), settled(4)

    def forward(self, pixels: Tensor) -> Tensor:
        pixels = self.norm_of_input(pixels)
        shared = self.shared(pixels)
        result: Tensor = self.one(shared) + self.other(shared) + self.after(self.alone(pixels))
        return result


def test_a_norm_that_cannot_be_folded_stays() -> None:
    torch.manual_seed(0)
    network = TwoReaders().eval().requires_grad_(False)
    pixels = torch.rand(1, 3, 64, 64)
    expected = network(pixels)
    fold_batch_norms(network)
    assert norms(network) == 3
    assert isinstance(network.after, nn.Identity)
    assert torch.allclose(network(pixels), expected, atol=1e-5)


def test_norms_that_stay_compute_in_float(small_network: Network) -> None:
    other = planned(small_network, "fp32")
    refine = nn.Sequential(
        other.get_submodule("neck.refine"), nn.GroupNorm(2, small_network.config.head_channels)
    )
    other.set_submodule("neck.refine", refine)
    halved = planned(other, "fp16")
    (norm,) = [module for module in halved.modules() if isinstance(module, nn.GroupNorm)]
    seen: list[torch.dtype] = []
    norm.register_forward_hook(
        lambda _, inputs, output: seen.extend((inputs[0].dtype, output.dtype))
    )
    with torch.no_grad():
        embeddings, _, _ = halved.output(255 * torch.rand(1, 3, 64, 96))
    assert seen == [torch.float32, torch.float32]
    assert norm.weight.dtype == torch.float32
    assert embeddings.dtype == torch.float16


def test_a_stem_is_padded_and_normalises_without_a_change_of_the_outputs() -> None:
    torch.manual_seed(0)
    network = Network(ModelConfig(trunk="picodet-s")).eval()
    padded = planned(network, "fp32")
    shapes = [
        (channels, padded.get_parameter(f"{name}.weight").shape[:2])
        for name, channels in (
            ("trunk.backbone.stem.0", (32, 3)),
            ("trunk.backbone.stages.0.down.left_depthwise.0", (32, 1)),
            ("trunk.backbone.stages.0.down.left_pointwise.0", (48, 32)),
            ("trunk.backbone.stages.0.down.pointwise.0", (44, 32)),
            ("neck.fine_lateral.0", (48, 32)),
        )
    ]
    assert [found for _, found in shapes] == [expected for expected, _ in shapes]
    assert network.get_parameter("trunk.backbone.stem.0.weight").shape[0] == 24
    assert padded.std is None
    assert network.std is not None
    pixels = 255 * torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        for ours, theirs in zip(padded.output(pixels), network.output(pixels), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)

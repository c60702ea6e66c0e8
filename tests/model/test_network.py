from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from streamseg.config import ModelConfig
from streamseg.model.network import Network

SMALL = ModelConfig(
    trunk="test_efficientnet",
    embedding_dim=5,
    neck_channels=8,
    head_channels=8,
    taus=(0.25, 0.5, 0.75),
    class_names=("nut", "bolt"),
)


@pytest.fixture(scope="module")
def network() -> Network:
    torch.manual_seed(0)
    return Network(SMALL).eval()


def noise(*shape: int) -> torch.Tensor:
    return torch.randint(256, shape, generator=torch.Generator().manual_seed(0)).float()


@pytest.mark.parametrize(("height", "width"), [(32, 32), (64, 96), (96, 32)])
def test_a_quarter_of_the_size_comes_out(network: Network, height: int, width: int) -> None:
    with torch.inference_mode():
        embeddings, logits = network(noise(2, 3, height, width))
    assert embeddings.shape == (2, 5, height // 4, width // 4)
    assert logits.shape == (2, 3, 3, height // 4, width // 4)


@pytest.mark.parametrize("trunk", ["resnet18", "convnext_atto"])
def test_any_timm_backbone_with_a_pyramid_serves_as_trunk(trunk: str) -> None:
    network = Network(replace(SMALL, trunk=trunk)).eval()
    with torch.inference_mode():
        embeddings, logits = network(noise(1, 3, 64, 32))
    assert embeddings.shape == (1, 5, 16, 8)
    assert logits.shape == (1, 3, 3, 16, 8)


def test_grey_levels_are_normalised_inside(network: Network) -> None:
    plain = Network(replace(SMALL, pixel_mean=(0, 0, 0), pixel_std=(1, 1, 1))).eval()
    plain.load_state_dict(network.state_dict())
    pixels = noise(1, 3, 32, 64)
    with torch.inference_mode():
        assert_close(network(pixels), plain((pixels - 127) / 128))


def test_coordinates_count_from_the_centre_in_pixels_of_the_input(network: Network) -> None:
    x, y = network.coordinates(torch.zeros(1, 8, 6, 10))[0]
    step = 4 / SMALL.coordinate_scale_px
    assert_close(x.diff(dim=1), torch.full((6, 9), step))
    assert_close(y.diff(dim=0), torch.full((5, 10), step))
    assert_close(x, -x.flip(1))
    assert_close(y, -y.flip(0))
    assert (x == x[0]).all()
    assert (y == y[:, :1]).all()


def test_coordinates_have_the_same_scale_in_pictures_of_every_size(network: Network) -> None:
    small, large = (network.coordinates(torch.zeros(2, 8, h, w)) for h, w in [(4, 6), (8, 12)])
    assert_close(large[:, :, 2:6, 3:9], small)


def test_heads_see_a_crop_where_it_lies_in_its_picture(network: Network) -> None:
    features = torch.randn(1, SMALL.head_channels, 8, 12, generator=torch.manual_seed(0))
    # columns 6 to 12 and rows 0 to 4: centred 3 columns right and 2 rows up, 4 pixels each
    corner, centres = features[:, :, :4, 6:], torch.tensor([[12.0, -8.0]])
    with torch.inference_mode():
        whole, part = network.heads(features), network.heads(corner, centres)
        misplaced = network.heads(corner)
    assert_close(part[0], whole[0][:, :, :4, 6:])
    assert_close(part[1], whole[1][..., :4, 6:])
    assert not torch.allclose(misplaced[0], part[0])

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from streamseg.classes import COCO_CLASSES
from streamseg.config import ModelConfig
from streamseg.errors import ConfigError
from streamseg.model.network import UNKNOWN_TO_TRUNK, Features, Network
from streamseg.model.positions import coordinates
from streamseg.model.prior import merge_detections
from streamseg.model.trunk import DETECTION_STRIDES, Detection

SMALL = ModelConfig(
    trunk="test_efficientnet",
    embedding_dim=5,
    neck_channels=8,
    head_channels=8,
    taus=(0.25, 0.5, 0.75),
    class_names=("nut", "bolt"),
    pixel_mean=(127, 127, 127),
    pixel_std=(128, 128, 128),
)


@pytest.fixture(scope="module")
def network() -> Network:
    torch.manual_seed(0)
    return Network(SMALL).eval()


def noise(*shape: int) -> torch.Tensor:
    return torch.randint(256, shape, generator=torch.Generator().manual_seed(0)).float()


@pytest.mark.parametrize(("height", "width"), [(32, 32), (64, 96), (96, 32)])
def test_maps_at_strides_4_and_8_come_out(network: Network, height: int, width: int) -> None:
    with torch.inference_mode():
        maps = network(noise(2, 3, height, width))
    assert maps.embeddings.shape == (2, 5, height // 4, width // 4)
    assert maps.foreground.shape == (2, 3, height // 4, width // 4)
    assert maps.classes.shape == (2, 2, height // 8, width // 8)


@pytest.mark.parametrize("trunk", ["resnet18", "convnext_atto"])
def test_any_timm_backbone_with_a_pyramid_serves_as_trunk(trunk: str) -> None:
    network = Network(replace(SMALL, trunk=trunk)).eval()
    with torch.inference_mode():
        maps = network(noise(1, 3, 64, 32))
    assert maps.embeddings.shape == (1, 5, 16, 8)
    assert maps.foreground.shape == (1, 3, 16, 8)
    assert maps.classes.shape == (1, 2, 8, 4)


def test_grey_levels_are_normalised_inside(network: Network) -> None:
    plain = Network(replace(SMALL, pixel_mean=(0, 0, 0), pixel_std=(1, 1, 1))).eval()
    plain.load_state_dict(network.state_dict())
    pixels = noise(1, 3, 32, 64)
    with torch.inference_mode():
        found, expected = network(pixels), plain((pixels - 127) / 128)
    assert_close(found.embeddings, expected.embeddings)
    assert_close(found.foreground, expected.foreground)


def test_coordinates_count_from_the_centre_in_pixels_of_the_input() -> None:
    x, y = coordinates(torch.zeros(1, 8, 6, 10), SMALL)[0]
    step = 4 / SMALL.coordinate_scale_px
    assert_close(x.diff(dim=1), torch.full((6, 9), step))
    assert_close(y.diff(dim=0), torch.full((5, 10), step))
    assert_close(x, -x.flip(1))
    assert_close(y, -y.flip(0))
    assert (x == x[0]).all()
    assert (y == y[:, :1]).all()


def test_coordinates_have_the_same_scale_in_images_of_every_size() -> None:
    small, large = (coordinates(torch.zeros(2, 8, h, w), SMALL) for h, w in [(4, 6), (8, 12)])
    assert_close(large[:, :, 2:6, 3:9], small)


def features_of(network: Network, rows: int, columns: int) -> Features:
    """Random features of a map of rows × columns pixels, with detections if the trunk detects."""
    generator = torch.Generator().manual_seed(0)
    config, detections = network.config, []
    for stride in DETECTION_STRIDES if network.trunk.detects else ():
        size = -(-4 * rows // stride), -(-4 * columns // stride)
        detections.append(
            Detection(
                torch.randn(1, len(COCO_CLASSES), *size, generator=generator),
                torch.rand(1, 4, *size, generator=generator) * 7 * stride,
            )
        )
    return Features(
        torch.randn(1, config.head_channels, rows, columns, generator=generator),
        torch.randn(1, config.neck_channels, rows // 2, columns // 2, generator=generator),
        detections,
    )


@pytest.mark.parametrize("trunk", ["test_efficientnet", "picodet-s"])
def test_heads_see_a_crop_where_it_lies_in_its_image(trunk: str) -> None:
    torch.manual_seed(0)
    network = Network(replace(SMALL, trunk=trunk)).eval()
    whole = features_of(network, 32, 96)
    # columns 32 to 96: centred 16 columns right, 4 pixels each
    part = Features(
        whole.fine[..., 32:],
        whole.coarse[..., 16:],
        [
            Detection(d.classes[..., 128 // s :], d.box[..., 128 // s :])
            for d, s in zip(whole.detections, DETECTION_STRIDES, strict=False)
        ],
    )
    centres = torch.tensor([[64.0, 0.0]])
    with torch.inference_mode():
        expected, found = network.heads(whole), network.heads(part, centres)
        misplaced = network.heads(part)
    # boxes near the cut are averaged with cells that the crop has not
    assert_close(found.embeddings[..., 28:], expected.embeddings[..., 60:])
    assert_close(found.foreground[..., 28:], expected.foreground[..., 60:])
    assert_close(found.classes, expected.classes[..., 16:])
    assert not torch.allclose(misplaced.embeddings[..., 28:], found.embeddings[..., 28:])


def test_an_untaught_network_says_what_the_detector_says() -> None:
    names = ("truck", "forklift", "stop sign")
    network = Network(replace(SMALL, trunk="picodet-s", class_names=names)).eval()
    features = features_of(network, 32, 32)
    with torch.inference_mode():
        classes = network.heads(features).classes
    best = merge_detections(features.detections).classes
    for row, name in ((0, "truck"), (2, "stop sign")):
        assert torch.equal(classes[:, row], best[:, COCO_CLASSES.index(name)])
    assert (classes[:, 1] == UNKNOWN_TO_TRUNK).all()


def test_a_pyramid_of_a_detector_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"picodet-s takes no pyramid, got \(0.5, 1.0\)"):
        Network(replace(SMALL, trunk="picodet-s", pyramid=(0.5, 1.0)))


def test_selected_classes_keep_their_probabilities() -> None:
    torch.manual_seed(0)
    network = Network(replace(SMALL, class_names=("nut", "bolt", "screw"))).eval()
    pixels = noise(1, 3, 64, 64)
    with torch.inference_mode():
        _, _, everything = network.output(pixels)
        assert_close(everything, network(pixels).classes.softmax(1))
        network.select(["screw", "nut"])
        _, _, selected = network.output(pixels)
    assert torch.equal(selected, everything[:, [2, 0]])
    assert network.output_config.class_names == ("screw", "nut")
    assert network.config.class_names == ("nut", "bolt", "screw")  # what is saved


def test_class_probabilities_are_finite_for_huge_logits() -> None:
    network = Network(SMALL).eval()
    with torch.inference_mode():
        assert network.class_head.bias is not None
        network.class_head.bias.copy_(torch.tensor([1e4, -1e4]))
        _, _, classes = network.output(noise(1, 3, 32, 32))
    assert_close(classes[0, :, 0, 0], torch.tensor([1.0, 0.0]))

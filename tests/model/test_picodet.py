from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close

from streamseg.errors import ModelError
from streamseg.model.esnet import ConvUnit, ESNet, round_channels, shuffled_reads
from streamseg.model.picodet import SIZES, PicoDet, enlarged
from streamseg.model.prior import merge_detections
from streamseg.model.published import load_published, reorder
from streamseg.model.trunk import Detection
from streamseg.model.trunks import build_trunk


@pytest.fixture(scope="module")
def trunk() -> PicoDet:
    torch.manual_seed(0)
    return PicoDet("picodet-s").eval()


def published(trunk: PicoDet, path: Path, *, leave_out: int = 0) -> dict[str, np.ndarray]:
    """Write random weights as a publisher would; ``leave_out`` tensors are missing at the end."""
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {}
    for index, (name, parameter) in enumerate(trunk.named_parameters()):
        kind = name.rpartition(".")[2]
        arrays[f"Conv_{index // 2}.{kind}"] = rng.normal(size=parameter.shape).astype(np.float32)
    arrays = dict(list(arrays.items())[: len(arrays) - leave_out])
    np.savez(path, **arrays)
    return arrays


def test_the_small_detector_has_as_many_parameters_as_the_published_one(trunk: PicoDet) -> None:
    assert sum(parameter.numel() for parameter in trunk.parameters()) == 983_891


@pytest.mark.parametrize(
    ("name", "stages", "pyramid"),
    [("picodet-s", (96, 192, 384), 96), ("picodet-m", (128, 256, 512), 128),
     ("picodet-l", (160, 320, 640), 160)],
)  # fmt: skip
def test_sizes_have_the_published_widths(name: str, stages: tuple[int, ...], pyramid: int) -> None:
    assert ESNet(SIZES[name].scale, SIZES[name].ratios).channels == [24, *stages]
    assert build_trunk(name, pretrained=False).channels == [24, *(pyramid,) * 3]


def test_channels_are_rounded_to_a_multiple_and_never_lose_a_tenth() -> None:
    assert [round_channels(c, 8) for c in (84, 120, 48, 3, 11)] == [88, 120, 48, 8, 16]


@pytest.mark.parametrize("size", [(64, 128), (96, 32)])
def test_features_and_detections_have_their_strides(trunk: PicoDet, size: tuple[int, int]) -> None:
    height, width = size
    with torch.inference_mode():
        output = trunk(torch.randn(1, 3, height, width))
    expected = [(height // s, width // s) for s in (4, 8, 16, 32)]
    assert [tuple(feature.shape[2:]) for feature in output.features] == expected
    assert [feature.shape[1] for feature in output.features] == trunk.channels
    coarsest = (-(-height // 64), -(-width // 64))
    found = [tuple(d.classes.shape[1:]) for d in output.detections]
    assert found == [(80, *size) for size in (*expected[1:], coarsest)]
    for stride, detection in zip((8, 16, 32, 64), output.detections, strict=True):
        assert detection.box.shape[1] == 4
        assert detection.box.min() >= 0
        assert detection.box.max() <= 7 * stride


def test_weights_are_taken_in_the_published_order(tmp_path: Path) -> None:
    trunk, expected = PicoDet("picodet-s"), PicoDet("picodet-s")
    arrays = published(trunk, tmp_path / "weights.npz")
    load_published(trunk, tmp_path / "weights.npz")
    for parameter, array in zip(expected.parameters(), arrays.values(), strict=True):
        parameter.data.copy_(torch.from_numpy(array))
    reorder(expected)
    for name, parameter in trunk.named_parameters():
        assert torch.equal(parameter, expected.get_parameter(name)), name


def test_what_is_left_out_of_a_shuffle_is_read_by_later_blocks() -> None:
    # 0 1 | 2 3, after a shuffle 0 a 1 b, where the first block computes a and b
    assert shuffled_reads(4, 1) == [[(0, 2), (0, 3)], [(0, 0), (1, 0), (0, 1), (1, 1)]]
    assert shuffled_reads(4, 2)[1] == [(0, 1), (1, 1)]


@pytest.mark.parametrize("name", SIZES)
def test_a_stage_computes_what_the_published_one_does_with_shuffles(name: str) -> None:
    torch.manual_seed(0)
    published = PicoDet(name).eval()
    ours = deepcopy(published)
    reorder(ours)
    pixels = torch.randn(1, 3, 64, 96)
    with torch.inference_mode():
        _, *stages = ours.backbone(pixels)
        shuffled = published.backbone.pool(published.backbone.stem(pixels))
        for number, stage in enumerate(published.backbone.stages):
            shuffled = stage.get_submodule("down")(shuffled)
            for block in cast(Iterable[nn.Module], stage.get_submodule("blocks")):
                kept, read = shuffled.chunk(2, 1)
                both = torch.cat((kept, block(read)), 1)
                shuffled = nn.functional.channel_shuffle(both, 2)
            expected = published.pyramid.lateral[number](shuffled)
            assert_close(ours.pyramid.lateral[number](stages[number]), expected)


def test_a_coarse_map_is_convolved_before_it_is_enlarged() -> None:
    torch.manual_seed(0)
    unit = ConvUnit(8, 5)
    coarse, fine = torch.randn(2, 4, 3, 2), torch.randn(2, 4, 6, 4)
    both = torch.cat((nn.functional.interpolate(coarse, scale_factor=2.0), fine), 1)
    assert_close(enlarged(unit, coarse, fine), unit(both))


def test_weights_of_something_else_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.npz"
    published(PicoDet("picodet-s"), path, leave_out=2)
    with pytest.raises(ModelError, match="holds 264 tensors, this trunk has 266"):
        load_published(PicoDet("picodet-s"), path)
    published(PicoDet("picodet-s"), path)
    with pytest.raises(ModelError, match=r"picodet-s, picodet-m, picodet-l only"):
        load_published(build_trunk("resnet18", pretrained=False), path)
    with pytest.raises(ModelError, match=r"holds 266 tensors|has shape"):
        load_published(PicoDet("picodet-m"), path)
    truncated = path.read_bytes()[:-1000]
    single = tmp_path / "single.npy"
    np.save(single, np.zeros(3, np.float32))
    for wrong in (b"no archive", b"", truncated, single.read_bytes()):
        path.write_bytes(wrong)
        with pytest.raises(ModelError, match="is not a NumPy archive"):
            load_published(PicoDet("picodet-s"), path)
    with pytest.raises(ModelError, match="does not exist"):
        load_published(PicoDet("picodet-s"), tmp_path / "missing.npz")


def detection(stride: int, score: float, height: int, width: int) -> Detection:
    """All cells alike: one class at ``score``, a box of 2 × ``stride`` around every centre."""
    size = (-(-height // stride), -(-width // stride))
    classes = torch.full((1, 80, *size), -9.0)
    classes[:, 7] = score
    return Detection(classes, torch.full((1, 4, *size), float(stride)))


def test_the_highest_score_of_all_levels_counts_for_a_class() -> None:
    scores = {8: 0.0, 16: 3.0, 32: 1.0, 64: 2.0}
    # half a cell of stride 64 lies beyond the image
    levels = [detection(stride, score, 96, 160) for stride, score in scores.items()]
    levels[1].classes[:, 7, :, 5:] = -1  # from column 80 on, stride 64 has the highest score
    prior = merge_detections(levels)
    assert prior.classes.shape == (1, 80, 12, 20)
    assert (prior.classes[:, 7, :, :10] == 3).all()
    assert (prior.classes[:, 7, :, 10:] == 2).all()
    assert_close(prior.score[0, 0, 0, 0], torch.tensor(3.0).sigmoid())


def test_boxes_of_cells_with_a_high_score_speak_for_their_neighbours() -> None:
    height, width = 96, 160
    levels = [detection(stride, -20, height, width) for stride in (8, 16, 32, 64)]
    # two cells of stride 16 see an object 40 x 20 pixels large around 64, 48; others know nothing
    for column in (3, 4):
        levels[1].classes[:, 7, 3, column] = 2
        x, y = 16 * column + 8, 56
        levels[1].box[0, :, 3, column] = torch.tensor([x - 44.0, y - 38.0, 84.0 - x, 58.0 - y])
    box = merge_detections(levels).box[0]
    near = box[:, 5:9, 6:10].flatten(1).T  # from column 48 to 80, row 40 to 72
    # from the middle of the image at 80, 48
    assert_close(near, torch.tensor([[-16.0, 0.0, 40.0, 20.0]]).expand_as(near), atol=1e-3, rtol=0)


def test_boxes_are_placed_by_the_middle_of_the_image() -> None:
    levels = [detection(stride, 0, 96, 160) for stride in (8, 16, 32, 64)]
    for level in levels[:-1]:
        level.classes.fill_(-30)  # stride 64, whose map reaches beyond the image, speaks alone
    x, y, box_width, box_height = merge_detections(levels).box[0]
    assert_close(box_width, torch.full_like(box_width, 128))
    assert torch.equal(box_width, box_height)
    inner = x[5, 8:12]  # between the centres of the second cell, at 96, and of the first, at 32
    assert_close(inner, torch.tensor([68.0, 76.0, 84.0, 92.0]) - 80, atol=30, rtol=0)
    assert (x.diff(dim=1) > -1e-3).all()
    assert (y.diff(dim=0) > -1e-3).all()

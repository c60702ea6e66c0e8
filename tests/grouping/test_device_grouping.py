"""Grouping on the device against grouping in numpy, on the ops' shared cases."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from benchmarks.kernels import frame as frame_benchmark
from benchmarks.kernels import group_pixels as group_pixels_benchmark
from streamseg.grouping.cpu import GroupingConfig, find_segments
from streamseg.grouping.gpu import DeviceGrouper
from streamseg.kernels.testing.cases import Case, alike, many_classes, random, street
from streamseg.results import NetworkOutput, Segments

pytestmark = [
    pytest.mark.usefixtures("poisoned_memory"),
    pytest.mark.filterwarnings("ignore:(divide by zero|invalid):RuntimeWarning"),
]


def on_device(
    case: Case,
    taus: list[float],
    config: GroupingConfig,
    dtype: torch.dtype,
    device: torch.device,
    *,
    height: int,
    width: int,
) -> Segments:
    """Two frames through one grouper, so that what the first one leaves behind would show."""
    embeddings = torch.from_numpy(case.embeddings).to(device, dtype).permute(1, 2, 0).contiguous()
    foreground, classes = (
        torch.from_numpy(values).to(device, dtype) for values in (case.foreground, case.classes)
    )
    group = DeviceGrouper(embeddings, foreground, classes, taus, config, height=height, width=width)
    group(embeddings.flip(0), foreground.flip(1), classes.flip(1))
    group(embeddings, foreground, classes)
    return group.read(group.results.cpu().clone())


def output_of(case: Case) -> NetworkOutput:
    return NetworkOutput(case.embeddings, case.foreground, case.classes)


def halved(array: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rounded to half precision."""
    return array.astype(np.float16).astype(np.float32)


@pytest.mark.parametrize(
    ("case", "config"),
    [
        (street(10, 15, dims=16, objects=9), GroupingConfig(max_instances=12)),
        (street(10, 15, dims=16, objects=9), GroupingConfig(max_instances=12, min_area=0.02)),
        (random(6, 7, 12, 14), GroupingConfig(min_score=0.3, max_instances=20, min_visible=0.3)),
        (alike(5, 6, dims=4), GroupingConfig(min_score=0.0, max_instances=5)),
        (random(5, 6, 10, 12), GroupingConfig(min_score=1.0, max_instances=4)),
        (many_classes(), GroupingConfig(min_score=0.0, max_instances=20)),
    ],
    ids=["street", "large ones", "overlaps", "one", "none", "many classes"],
)
def test_the_device_finds_the_same_instances(
    case: Case, config: GroupingConfig, device: torch.device
) -> None:
    height, width, taus = case.height, case.width, case.taus.tolist()
    expected = find_segments(output_of(case), taus, config, height=height, width=width)
    found = on_device(case, taus, config, torch.float32, device, height=height, width=width)
    assert len(found) == len(expected)
    assert np.array_equal(found.label_map, expected.label_map)
    for name in ("class_id", "box", "area_px", "seed_yx", "tau"):
        left, right = getattr(found, name), getattr(expected, name)
        assert left.dtype == right.dtype, name
        assert np.array_equal(left, right), name
    assert found.embedding.shape == expected.embedding.shape
    assert found.embedding == pytest.approx(expected.embedding, abs=1e-5)
    assert found.score == pytest.approx(expected.score)
    assert len(case.classes) < 256 or found.class_id.max() > 255


def test_half_precision_goes_all_the_way(device: torch.device) -> None:
    case = street(10, 15, dims=16, objects=9)
    exact = replace(
        case,
        embeddings=halved(case.embeddings),
        foreground=halved(case.foreground),
        classes=halved(case.classes),
    )
    config, taus = GroupingConfig(max_instances=12), case.taus.tolist()
    height, width = 20, 32
    found = on_device(exact, taus, config, torch.float16, device, height=height, width=width)
    expected = find_segments(output_of(exact), taus, config, height=height, width=width)
    assert np.array_equal(found.seed_yx, expected.seed_yx)
    assert (found.label_map == expected.label_map).mean() > 0.99
    assert found.embedding.dtype == np.float32


def test_whole_frames_are_timed_after_a_check(
    device: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frame_benchmark, "MAPS", ((6, 8),))
    monkeypatch.setattr(frame_benchmark, "DIMS", (16,))
    monkeypatch.setattr(group_pixels_benchmark, "ROUNDS", {"cpu": 1, "cuda": 5})
    (row,) = frame_benchmark.measure(device)
    assert row["instances"] > 0
    assert "launch by launch" in frame_benchmark.table_row(row)

    def other_instances(*arguments: Any, **options: Any) -> Segments:
        found = find_segments(*arguments, **options)
        return replace(found, class_id=found.class_id + 1)

    monkeypatch.setattr(frame_benchmark, "find_segments", other_instances)
    with pytest.raises(AssertionError, match="finds other instances in the frame than numpy"):
        next(frame_benchmark.measure(device))

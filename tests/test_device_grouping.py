"""Grouping on the device against grouping in numpy, on the ops' shared cases."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from streamseg import device_grouping
from streamseg.grouping import GroupingConfig, find_segments
from streamseg.kernels.cases import Case, alike, random, street
from streamseg.results import NetworkOutput

pytestmark = pytest.mark.filterwarnings("ignore:(divide by zero|invalid):RuntimeWarning")


@pytest.mark.parametrize(
    ("case", "config"),
    [
        (street(10, 16, dims=16, objects=9), GroupingConfig(max_instances=12)),
        (street(10, 16, dims=16, objects=9), GroupingConfig(max_instances=12, min_area=0.02)),
        (random(6, 7, 12, 14), GroupingConfig(min_score=0.3, max_instances=20, min_visible=0.3)),
        (alike(5, 6, dims=4), GroupingConfig(min_score=0.0, max_instances=5)),
        (random(5, 6, 10, 12), GroupingConfig(min_score=1.0, max_instances=4)),
    ],
    ids=["street", "large ones", "overlaps", "one", "none"],
)
def test_the_device_finds_the_same_instances(case: Case, config: GroupingConfig) -> None:
    height, width, taus = case.height, case.width, case.taus.tolist()
    expected = find_segments(
        NetworkOutput(case.embeddings, case.logits), taus, config, height=height, width=width
    )
    embeddings, logits = map(torch.from_numpy, (case.embeddings, case.logits))
    found = device_grouping.find_segments(
        embeddings, logits, taus, config, height=height, width=width
    ).on_host()
    assert len(found) == len(expected)
    assert np.array_equal(found.label_map, expected.label_map)
    for name in ("class_id", "box", "area_px", "seed_yx", "tau", "embedding"):
        left, right = getattr(found, name), getattr(expected, name)
        assert left.dtype == right.dtype, name
        assert np.array_equal(left, right), name
    assert found.score == pytest.approx(expected.score)


def test_half_precision_goes_all_the_way() -> None:
    case = street(10, 16, dims=16, objects=9)
    embeddings, logits = (torch.from_numpy(a).half() for a in (case.embeddings, case.logits))
    exact = replace(case, embeddings=embeddings.float().numpy(), logits=logits.float().numpy())
    config, taus = GroupingConfig(max_instances=12), case.taus.tolist()
    height, width = 20, 32
    found = device_grouping.find_segments(
        embeddings, logits, taus, config, height=height, width=width
    ).on_host()
    expected = find_segments(
        NetworkOutput(exact.embeddings, exact.logits), taus, config, height=height, width=width
    )
    assert np.array_equal(found.seed_yx, expected.seed_yx)
    assert (found.label_map == expected.label_map).mean() > 0.99
    assert found.embedding.dtype == np.float32

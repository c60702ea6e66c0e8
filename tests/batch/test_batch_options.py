"""Options that cannot be used are refused before anything starts, with a reason."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from drives import write_drive

from streamseg import batch
from streamseg.batch.job import Job
from streamseg.batch.shares import Shares
from streamseg.errors import ConfigError


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"cpus": 0.0}, "cpus must be a finite number above 0, got 0"),
        ({"cpus": math.inf}, "cpus must be a finite number above 0, got inf"),
        ({"cpus": math.nan}, "cpus must be a finite number above 0, got nan"),
        ({"gpus": -1.0}, "gpus must be a finite number, 0 or more, got -1"),
        ({"gpus": math.inf}, "gpus must be a finite number, 0 or more, got inf"),
        ({"gpus": 1.5}, "gpus above 1 must be a whole number, got 1.5"),
    ],
)
def test_shares_that_no_worker_can_have_are_refused(wrong: dict[str, float], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Shares(**wrong)
    assert str(caught.value) == says


def test_ray_takes_all_shares_that_are_not_refused() -> None:
    ray = pytest.importorskip("ray")

    for shares in (Shares(cpus=2.5), Shares(gpus=0.5), Shares(gpus=2.0)):
        ray.remote(Shares).options(num_cpus=shares.cpus, num_gpus=shares.gpus)


@pytest.mark.parametrize("seconds", [0.0, -1.0, math.inf, math.nan])
def test_chunks_have_a_length(seconds: float) -> None:
    with pytest.raises(ConfigError, match="chunk_seconds must be a finite number above 0, got"):
        Job(chunk_seconds=seconds)


@pytest.mark.parametrize(
    "wrong", [{"formats": "jsonl"}, {"topics": "/camera/front"}, {"formats": ""}]
)
def test_a_name_in_place_of_a_list_is_refused(wrong: dict[str, Any], tmp_path: Path) -> None:
    pytest.importorskip("ray")
    ((name, value),) = wrong.items()
    with pytest.raises(ConfigError, match=f"{name} must be a list of names, got '{value}'"):
        batch.run(write_drive(tmp_path / "a.mp4"), tmp_path / "out", **wrong)
    assert not (tmp_path / "out").exists()

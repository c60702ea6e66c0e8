"""A cluster of two nodes on one machine: both work, and one goes away in the middle."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from drives import SIZE, rows_of, write_drive

from streamseg import batch

FRAMES = 300


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """One CPU on each node."""
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_worker_niceness", "0")
    from ray.cluster_utils import Cluster

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nodes = Cluster(
            initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
        )
        nodes.add_node(num_cpus=1)
        yield nodes
        nodes.shutdown()


@pytest.mark.ray
@pytest.mark.usefixtures("quick_polls")
def test_two_nodes_share_the_work_and_one_does_all_when_the_other_is_lost(
    cluster: Any, colour_model: str, tmp_path: Path
) -> None:
    for number in range(3):
        write_drive(tmp_path / f"archive/{number}.mp4", number, FRAMES)
    together = 0

    def lose_a_node(progress: batch.Progress) -> None:
        nonlocal together
        if sum(running.frames > 0 for running in progress.running) == 2:
            together += 1
            if together == 1:
                cluster.remove_node(cluster.list_all_nodes()[1], allow_graceful=False)

    summary = batch.run(
        tmp_path / "archive",
        tmp_path / "out",
        model=colour_model,
        runtime="onnx",
        size=SIZE,
        address=cluster.address,
        on_progress=lose_a_node,
    )
    # a worker takes one CPU, and a node has no more
    assert summary.workers == 2
    assert together
    assert (summary.done, summary.failures) == (3, ())
    assert summary.retried >= 1
    assert len({row["source"] for row in rows_of(tmp_path / "out")}) == 3

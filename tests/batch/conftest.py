"""One Ray for all tests of a process, as starting it takes seconds."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from colour_model import write_colour_model


@pytest.fixture(scope="session")
def colour_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_colour_model(tmp_path_factory.mktemp("model") / "model.onnx"))


@pytest.fixture(scope="session")
def ray_here() -> Iterator[None]:
    """Ray on this machine with two CPUs, whatever cores there are; ``batch.run`` uses it."""
    pytest.importorskip("ray")
    from streamseg.batch.cluster import connected

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Ray itself
        with connected(None, cpus=2):
            yield

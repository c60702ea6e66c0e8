from __future__ import annotations

import pytest
from colour_model import write_colour_model


@pytest.fixture(scope="session")
def colour_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_colour_model(tmp_path_factory.mktemp("model") / "model.onnx"))


@pytest.fixture
def quick_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress comes often, so that small recordings are seen in progress."""
    from streamseg.batch import scheduling

    monkeypatch.setattr(scheduling, "POLL_SECONDS", 0.05)

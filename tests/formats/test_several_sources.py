from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from scene_results import make_result

from streamseg.errors import SinkError
from streamseg.formats.opening import FORMATS, open_writer

TELL_SOURCES_APART = {"jsonl", "parquet", "mcap"}


@pytest.mark.parametrize("name", sorted(set(FORMATS) - TELL_SOURCES_APART))
def test_formats_that_cannot_tell_sources_apart_take_one(name: str, tmp_path: Path) -> None:
    if name == "rerun":
        pytest.importorskip("rerun")
    first = replace(make_result(0, ["car-1"]), source_index=3)
    with open_writer(name, tmp_path / "out") as writer:
        writer.write(first)
        with pytest.raises(SinkError, match="holds source 3, and got a frame of source 4"):
            writer.write(replace(first, source_index=4))
        writer.write(replace(make_result(1, ["car-1"]), source_index=3))

from __future__ import annotations

from pathlib import Path

import pytest
from scene_results import make_result

from streamseg.errors import ConfigError, MissingExtraError
from streamseg.formats.opening import FORMATS, open_writer


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_opened_by_its_name_and_writes(tmp_path: Path, name: str) -> None:
    path = tmp_path / "out"
    try:
        writer = open_writer(name, path)
    except MissingExtraError as error:
        pytest.skip(str(error))
    with writer as entered:
        assert entered is writer
        writer.write(make_result(0, ["car-1"]))
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    assert files
    assert all(file.stat().st_size for file in files)
    writer.close()  # a second time is harmless


def test_an_unknown_format_is_refused_with_the_list() -> None:
    with pytest.raises(ConfigError, match=r"unknown format 'xml'; there are jsonl, coco, .*rerun"):
        open_writer("xml", "out.xml")


def test_every_format_is_described() -> None:
    described = (Path(__file__).parents[2] / "docs" / "formats.md").read_text()
    for name in FORMATS:
        assert f"`{name}`" in described

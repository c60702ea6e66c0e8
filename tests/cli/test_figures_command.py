from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from streamseg.cli.main import main


@pytest.fixture
def image(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    path = tmp_path / "photo.png"
    Image.fromarray(pixels).save(path)
    return path


def test_writes_each_figure_and_a_sheet_of_all(
    image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "figures"
    assert main(["figures", str(image), "--out", str(out)]) == 0
    names = sorted(path.name for path in out.iterdir())
    assert names[0] == "01-image.png"
    assert {"02-masks.png", "05-seeds.png", "07-similarity-1.png", "sheet.png"} < set(names)
    with Image.open(out / "sheet.png") as sheet, Image.open(out / names[0]) as panel:
        assert sheet.width == 4 * panel.width + 3 * 4
        assert sheet.height > 4 * panel.height
    assert "sheet.png" in capsys.readouterr().out


def test_a_missing_image_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["figures", str(tmp_path / "none.png")]) == 1
    assert "none.png" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_one_clear_line(
    image: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["figures", str(image), "--out", str(image)]) == 1
    assert f"cannot write to {image}" in capsys.readouterr().err

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from streamseg.formats.png import encoded


@pytest.mark.parametrize(("height", "width"), [(1, 1), (7, 13), (48, 64)])
@pytest.mark.parametrize(
    ("channels", "kind", "mode"),
    [((), np.uint8, "L"), ((), np.uint16, "I;16"), ((3,), np.uint8, "RGB")],
)
def test_pillow_reads_every_value_back(
    height: int, width: int, channels: tuple[int, ...], kind: type[np.uint8], mode: str
) -> None:
    top = np.iinfo(kind).max
    shape = (height, width, *channels)
    picture = np.random.default_rng(0).integers(0, top, shape, endpoint=True).astype(kind)
    read = Image.open(BytesIO(encoded(picture)))
    read.load()
    assert read.mode == mode
    assert (np.array(read) == picture).all()


def test_a_picture_that_does_not_lie_in_one_piece() -> None:
    picture: NDArray[np.uint16] = np.arange(120, dtype=np.uint16).reshape(10, 12)[::2, ::3]
    assert (np.array(Image.open(BytesIO(encoded(picture)))) == picture).all()


def test_a_palette() -> None:
    picture = np.array([[0, 1], [2, 1]], np.uint8)
    palette = np.array([[0, 0, 0], [10, 20, 30], [255, 0, 1]], np.uint8)
    read = Image.open(BytesIO(encoded(picture, palette)))
    assert read.mode == "P"
    assert (np.array(read) == picture).all()
    assert (np.array(read.convert("RGB")) == palette[picture]).all()

"""Small recordings with moving objects, for the model of ``colour_model``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from media import write_video

from streamseg.frame import Image

SIZE = (160, 96)
FRAMES = 12


def drive(number: int, frames: int = FRAMES) -> list[Image]:
    """Images of a red object that moves and a blue one that stands still."""
    images = []
    for index in range(frames):
        image = np.full((96, 160, 3), 90, np.uint8)
        top, left = 20 + 4 * number, 8 + 3 * index
        image[top : top + 32, left : left + 32] = 230, 30, 30
        image[8:40, 112:144] = 40, 60, 240
        images.append(image)
    return images


def write_drive(
    path: Path, number: int = 0, frames: int = FRAMES, key_every: int | None = None
) -> Path:
    """Write one as a video, 25 frames a second; a key frame at least every so many frames."""
    path.parent.mkdir(parents=True, exist_ok=True)
    times = [index / 25 for index in range(frames)]
    options = {} if key_every is None else {"g": str(key_every)}
    return write_video(path, times, images=drive(number, frames), codec_options=options)


def rows_of(out: Path, name: str = "") -> list[dict[str, Any]]:
    """The rows of all recordings, or of those whose names begin so, in a lasting order."""
    from pyarrow import parquet

    files = sorted(out.glob(f"recording={name}*/part.parquet"))
    return [row for file in files for row in parquet.ParquetFile(file).read().to_pylist()]

"""Lay out images on a contact sheet."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image as Pillow

from streamseg.drawing.panels import GROUND
from streamseg.errors import InputError
from streamseg.frame import Image

_GAP_PX = 4


def contact_sheet(images: Sequence[Image], columns: int) -> Image:
    """Lay out images side by side, row by row, with thin gaps.

    Args:
        images: RGB uint8 [H, W, 3], at least one. The first sets the size of a cell; the others
            are scaled to fit into it and centred.
        columns: images in a row, at least 1.

    Returns:
        RGB uint8.

    Raises:
        InputError: no images, or no columns.
    """
    if not images:
        raise InputError("a contact sheet needs at least one image, got none")
    if columns < 1:
        raise InputError(f"columns must be 1 or more, got {columns}")
    cell_height, cell_width = images[0].shape[:2]
    columns = min(columns, len(images))
    rows = math.ceil(len(images) / columns)
    sheet = Pillow.new(
        "RGB",
        (columns * (cell_width + _GAP_PX) - _GAP_PX, rows * (cell_height + _GAP_PX) - _GAP_PX),
        GROUND,
    )
    for index, image in enumerate(images):
        height, width = image.shape[:2]
        scale = min(cell_height / height, cell_width / width)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        scaled = Pillow.fromarray(np.ascontiguousarray(image))
        if size != scaled.size:
            scaled = scaled.resize(size, Pillow.Resampling.LANCZOS)
        row, column = divmod(index, columns)
        left = column * (cell_width + _GAP_PX) + (cell_width - size[0]) // 2
        top = row * (cell_height + _GAP_PX) + (cell_height - size[1]) // 2
        sheet.paste(scaled, (left, top))
    return np.array(sheet)

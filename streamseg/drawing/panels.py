"""Draw panels: a heading, an image, and a legend below.

All panels of one image have the same size, so that they align on a contact sheet.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw

from streamseg.drawing.false_colours import heat
from streamseg.drawing.lettering import Colour, font
from streamseg.frame import Image

Size: TypeAlias = tuple[int, int]  # width, height in pixels

LONGER_SIDE_PX = 640
"""Longer side of the image in a panel; small maps are enlarged, large images reduced."""
GROUND: Colour = (24, 26, 30)
"""Background of panels and contact sheets."""

_LEAST_WIDTH_PX = 480  # headings need it, also above a narrow image
_MARGIN_PX, _HEADING_PX, _FOOTER_PX = 12, 76, 54
_BAR_PX = (260, 14)
_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)
_TITLE, _TEXT = (240, 242, 245), (160, 166, 176)


def panel_size(width: int, height: int) -> Size:
    """Size in pixels of an image of this shape inside a panel."""
    scale = LONGER_SIDE_PX / max(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def panel(
    image: Image,
    title: str,
    note: str,
    *,
    bar: str = "",
    legend: Sequence[tuple[str, Colour]] = (),
) -> Image:
    """Frame an image.

    Args:
        image: RGB uint8 [H, W, 3], already of the size that ``panel_size`` gives.
        title: the first line, in white.
        note: the second line, in grey.
        bar: the quantity that heat colours show; draws a colour bar from 0 to 1 below.
        legend: names and colours, drawn below as far as they fit.

    Returns:
        RGB uint8, ``image`` with a strip above and a strip below.
    """
    height, width = image.shape[:2]
    full_width = max(width, _LEAST_WIDTH_PX)
    out = Pillow.new("RGB", (full_width, _HEADING_PX + height + _FOOTER_PX), GROUND)
    out.paste(Pillow.fromarray(image), ((full_width - width) // 2, _HEADING_PX))
    pen = ImageDraw.Draw(out)
    pen.text((_MARGIN_PX, 18), title, _TITLE, font(24))
    pen.text((_MARGIN_PX, 48), note, _TEXT, font(16))
    top = _HEADING_PX + height
    if bar:
        _colour_bar(out, top, bar)
    _legend(pen, top, full_width, legend)
    return np.array(out)


def _colour_bar(out: Pillow.Image, top: int, label: str) -> None:
    width, height = _BAR_PX
    ramp = heat(np.linspace(0, 1, width, dtype=np.float32)[None])
    out.paste(Pillow.fromarray(np.repeat(ramp, height, axis=0)), (_MARGIN_PX + 6, top + 9))
    pen = ImageDraw.Draw(out)
    for tick in _TICKS:
        x = _MARGIN_PX + 6 + tick * (width - 1)
        pen.line((x, top + 9 + height, x, top + 12 + height), _TEXT)
        pen.text((x, top + 14 + height), f"{tick:g}", _TEXT, font(13), anchor="ma")
    pen.text((_MARGIN_PX + width + 28, top + 8), label, _TEXT, font(16))


def _legend(
    pen: ImageDraw.ImageDraw, top: int, width: int, entries: Sequence[tuple[str, Colour]]
) -> None:
    x = float(_MARGIN_PX)
    for name, colour in entries:
        end = x + 22 + pen.textlength(name, font(16))
        if end > width - _MARGIN_PX:
            break
        pen.rounded_rectangle((x, top + 17, x + 14, top + 31), 3, colour)
        pen.text((x + 22, top + 14), name, _TEXT, font(16))
        x = end + 22

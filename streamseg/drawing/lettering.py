"""The font of all drawings, and the colour of their labels' text."""

from __future__ import annotations

from functools import lru_cache
from typing import TypeAlias

from PIL import ImageFont

Colour: TypeAlias = tuple[int, int, int]
Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont

INK: Colour = (17, 19, 23)
"""The colour of the text of labels."""


@lru_cache(maxsize=8)
def font(size: int) -> Font:
    """Pillow's built-in font, which needs no file and has no Greek letters."""
    return ImageFont.load_default(size)

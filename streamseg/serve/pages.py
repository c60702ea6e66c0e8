"""The static files of the page."""

from __future__ import annotations

from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent / "static"


def read_page(name: str) -> str:
    """The text of a page of the package."""
    return (FOLDER / name).read_text("utf-8")

"""A page of results: one HTML file that needs no network, made of ``page.html.jinja``."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment

from streamseg.errors import SinkError
from streamseg.evaluate.report.gallery import Exhibit
from streamseg.files.atomic_write import atomic_write


@dataclass(frozen=True)
class Table:
    """A table of text."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    total: Sequence[str] = ()
    """The last row, set apart."""
    shades: Sequence[Sequence[str]] = ()
    """CSS colours behind the cells of ``rows``; empty ones leave the cell plain."""


@dataclass(frozen=True)
class Section:
    """A heading, a note, and content in the order of the fields."""

    title: str
    note: str
    charts: Sequence[str] = ()
    """``<svg>`` elements."""
    table: Table | None = None
    exhibits: Sequence[Exhibit] = ()
    rules: Sequence[str] = ()


@dataclass(frozen=True)
class Page:
    """All that is on a page."""

    title: str
    facts: Sequence[tuple[str, str]]
    """Names and sentences."""
    sections: Sequence[Section]
    cards: Sequence[tuple[str, str]] = ()
    """Names and values of the numbers that matter most."""


def render(page: Page) -> str:
    """The page as HTML; all text is escaped."""
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"percent": percent, "base64": lambda data: b64encode(data).decode()}
    template = files("streamseg.evaluate.report").joinpath("page.html.jinja")
    return environment.from_string(template.read_text("utf-8")).render(page=page)


def percent(value: float) -> str:
    """``0.613`` → ``61.3``; a dash for nan."""
    return "–" if value != value else f"{100 * value:.1f}"  # noqa: RUF001  # an en dash is meant


def make_folder(folder: Path) -> None:
    """Create the folder before the evaluation, so that a wrong path fails early.

    Raises:
        SinkError: it cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SinkError(f"{folder} cannot be made: {error}") from error


def write_page(folder: Path, name: str, page: Page, values: dict[str, Any]) -> Path:
    """Write ``name.html`` and ``name.json``; each appears whole or not at all.

    Returns:
        The page.

    Raises:
        SinkError: a file cannot be written.
    """
    document = json.dumps(values, indent=1, allow_nan=False) + "\n"
    for path, text in (
        (folder / f"{name}.html", render(page)),
        (folder / f"{name}.json", document),
    ):
        try:
            with atomic_write(path) as partial:
                partial.write_text(text, encoding="utf-8")
        except OSError as error:
            raise SinkError(f"{path} cannot be written: {error}") from error
    return folder / f"{name}.html"

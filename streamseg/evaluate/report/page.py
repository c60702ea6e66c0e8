"""Parts of a page of results: one HTML file that needs no network."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any, Final

from streamseg.errors import SinkError
from streamseg.whole_file import replaced

_STYLE: Final = """
:root{color-scheme:light dark;--ink:#1f2933;--faint:#6b7785;--line:#dfe4ea;--card:#fff;
 --page:#f4f6f8}
@media(prefers-color-scheme:dark){:root{
 --ink:#e4e8ee;--faint:#94a1b0;--line:#333c47;--card:#1b2129;--page:#12161b}}
body{margin:0 auto;max-width:1080px;padding:24px;background:var(--page);color:var(--ink);
 font:15px/1.5 system-ui,sans-serif}
h1{margin:0;font-size:26px}h2{margin:40px 0 10px;font-size:19px}
p,li{max-width:78ch}p.note{color:var(--faint);font-size:13px;margin:4px 0 12px}
.cards{display:flex;flex-wrap:wrap;gap:12px;margin:20px 0}
.card{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:10px 16px}
.card b{display:block;font-size:24px;font-weight:600;font-variant-numeric:tabular-nums}
.card span{color:var(--faint);font-size:13px}
.scroll{overflow-x:auto}
table{border-collapse:collapse;background:var(--card);font-size:13px;
 font-variant-numeric:tabular-nums}
th,td{border:1px solid var(--line);padding:3px 9px;text-align:right;white-space:nowrap}
th:first-child,td:first-child{text-align:left}td.text{text-align:left;white-space:normal}
th{font-weight:600;color:var(--faint)}tr.total td{font-weight:600;border-top:2px solid var(--faint)}
.charts,.pictures{display:flex;flex-wrap:wrap;gap:12px}
.chart{background:var(--card);border:1px solid var(--line);border-radius:8px;
 font-family:system-ui,sans-serif;fill:var(--ink)}.grid{stroke:var(--line)}
figure{margin:0}figure img{display:block;width:500px;max-width:100%;border-radius:6px}
figcaption{font-size:13px;color:var(--faint)}
"""


def page(title: str, body: Iterable[str]) -> str:
    """A whole page around its sections."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n<body>"
        + "\n".join(body)
        + "</body></html>\n"
    )


def section(title: str, note: str, *parts: str) -> str:
    """A heading, what is to be known, and the content."""
    return f'<h2>{escape(title)}</h2><p class="note">{escape(note)}</p>{"".join(parts)}'


def cards(values: Iterable[tuple[str, str]]) -> str:
    """The numbers that matter most, each with its name."""
    return "".join(
        [
            '<div class="cards">',
            *(
                f'<div class="card"><b>{escape(value)}</b><span>{escape(name)}</span></div>'
                for name, value in values
            ),
            "</div>",
        ]
    )


def table(
    head: Sequence[str], rows: Iterable[Sequence[str]], total: Sequence[str] | None = None
) -> str:
    """A table of text; ``total`` is its last row."""
    lines = ["<tr>" + "".join(f"<th>{escape(cell)}</th>" for cell in head) + "</tr>"]
    lines += [
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    ]
    if total:
        cells = "".join(f"<td>{escape(cell)}</td>" for cell in total)
        lines.append(f'<tr class="total">{cells}</tr>')
    return f'<div class="scroll"><table>{"".join(lines)}</table></div>'


def facts(rows: Iterable[tuple[str, str]]) -> str:
    """A table of names and sentences."""
    lines = (
        f'<tr><td>{escape(name)}</td><td class="text">{escape(value)}</td></tr>'
        for name, value in rows
    )
    return f"<table>{''.join(lines)}</table>"


def percent(value: float) -> str:
    """``0.613`` → ``61.3``; a dash for nan."""
    return "–" if value != value else f"{100 * value:.1f}"  # noqa: RUF001  # an en dash is meant


def make_folder(folder: Path) -> None:
    """Make the folder of a report now, not after an hour's work.

    Raises:
        SinkError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SinkError(f"{folder} cannot be made: {error}") from error


def write_page(folder: Path, name: str, html: str, values: dict[str, Any]) -> Path:
    """Write ``name.html`` and ``name.json``; each appears whole or not at all.

    Returns:
        The page.

    Raises:
        SinkError: a file cannot be written.
    """
    document = json.dumps(values, indent=1, allow_nan=False) + "\n"
    for path, text in ((folder / f"{name}.html", html), (folder / f"{name}.json", document)):
        try:
            with replaced(path) as partial:
                partial.write_text(text, encoding="utf-8")
        except OSError as error:
            raise SinkError(f"{path} cannot be written: {error}") from error
    return folder / f"{name}.html"

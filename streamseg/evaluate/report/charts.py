"""Line charts as SVG, to stand inside a page that is one file."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from html import escape
from itertools import cycle
from typing import Final, TypeAlias

Points: TypeAlias = tuple[Iterable[float], Iterable[float]]
"""x and y of a line."""

COLOURS: Final = ("#2563eb", "#d97706", "#059669", "#db2777", "#7c3aed")
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 14, 26, 36
_MOST_POINTS = 200
"""Most points per line; more cannot be distinguished and make the file larger."""


def line_chart(
    lines: Mapping[str, Points],
    *,
    title: str,
    x_label: str,
    y_label: str,
    x_range: tuple[float, float],
    width: int = 300,
    height: int = 220,
    dots: bool = False,
) -> str:
    """Draw lines over an x axis of the given range and a y axis from 0 to 1.

    Args:
        lines: x and y of each line by its name; points that are not finite are left out.
        title: stands above.
        x_label: stands below the x axis.
        y_label: stands beside the y axis.
        x_range: least and largest x.
        width: of the image in CSS pixels.
        height: of the image in CSS pixels.
        dots: mark the points.

    Returns:
        An ``<svg>`` element.
    """
    low, high = x_range
    right, bottom = width - _RIGHT, height - _BOTTOM

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - low) / ((high - low) or 1)
        return _LEFT + across * (right - _LEFT), bottom - y * (bottom - _TOP)

    legend = "".join(
        f'<tspan dx="9" fill="{colour}">{escape(name)}</tspan>'
        for name, colour in zip(lines, cycle(COLOURS), strict=False)
    )
    parts = [
        f'<text x="{_LEFT}" y="15" font-size="12" font-weight="600">{escape(title)}</text>',
        f'<text x="{right}" y="15" text-anchor="end">{legend}</text>',
    ]
    for i in range(5):
        x, y = place(low + (high - low) * i / 4, i / 4)
        parts.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{right}M{x:.1f} {_TOP}V{bottom}"/>')
        parts.append(f'<text x="{_LEFT - 5}" y="{y + 3:.1f}" text-anchor="end">{i / 4:g}</text>')
        tick = f"{low + (high - low) * i / 4:.3g}"
        parts.append(f'<text x="{x:.1f}" y="{bottom + 13}" text-anchor="middle">{tick}</text>')
    for turn, label in (
        (f'x="{(_LEFT + right) / 2}" y="{height - 5}"', x_label),
        (f'transform="translate(11 {(_TOP + bottom) / 2})rotate(-90)"', y_label),
    ):
        parts.append(f'<text {turn} text-anchor="middle">{escape(label)}</text>')
    for colour, (xs, ys) in zip(cycle(COLOURS), lines.values(), strict=False):
        points = [place(x, y) for x, y in _thinned(xs, ys)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.8"/>'
        )
        if dots:
            parts += [
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points
            ]
    return (
        f'<svg class="chart" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-size="10" role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>'
    )


def _thinned(xs: Iterable[float], ys: Iterable[float]) -> list[tuple[float, float]]:
    """The finite points, evenly thinned, the last one kept."""
    points = [(x, y) for x, y in zip(xs, ys, strict=True) if math.isfinite(x) and math.isfinite(y)]
    step = max(1, math.ceil(len(points) / _MOST_POINTS))
    return points[:-1:step] + points[-1:]

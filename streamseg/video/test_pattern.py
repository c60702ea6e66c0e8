"""A synthetic camera: cars and people move along a street, the same in every run."""

from __future__ import annotations

import re
from collections.abc import Generator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

import numpy as np

from streamseg.errors import InputError
from streamseg.frame import Frame, Image
from streamseg.video.base import Source

PREFIX = "test-pattern:"
_ADDRESS = re.compile(
    rf"{PREFIX}(?:(\d{{1,4}})x(\d{{1,4}}))?(?:@(\d{{1,4}}))?(?:\?frames=(\d{{1,9}}))?"
)

_SKY_TOP, _SKY_BOTTOM = (120, 160, 215), (205, 215, 225)
_ROAD_TOP, _ROAD_BOTTOM = (120, 120, 122), (70, 70, 74)
_HORIZON = 0.42
_GLASS, _TYRE, _SKIN = (40, 50, 60), (20, 20, 20), (225, 180, 150)


@dataclass(frozen=True)
class _Mover:
    """An object that crosses the image; lengths in image widths or heights."""

    kind: str
    start_x: float
    speed_per_second: float
    foot_y: float
    length_x: float
    height_y: float
    colour: tuple[int, int, int]


# far to near: near objects cover far ones
_MOVERS = (
    _Mover("car", 0.10, 0.11, 0.50, 0.12, 0.09, (200, 40, 40)),
    _Mover("person", 0.70, -0.03, 0.56, 0.025, 0.17, (60, 130, 70)),
    _Mover("car", 0.75, -0.17, 0.64, 0.19, 0.14, (40, 80, 190)),
    _Mover("person", 0.20, 0.04, 0.78, 0.04, 0.28, (210, 150, 40)),
    _Mover("car", 0.45, 0.23, 0.90, 0.30, 0.22, (230, 230, 235)),
)


class PatternSource(Source):
    """The street of the address ``test-pattern:[WIDTHxHEIGHT][@FPS][?frames=COUNT]``.

    The default is 640x360 at 25 fps, 250 frames. It is not a live source: it does not wait for the
    times of frames and drops none. Images are drawn when they are rendered, at the rendered size.
    """

    def __init__(self, address: str) -> None:
        """Parse the address.

        Args:
            address: as above.

        Raises:
            InputError: the address has another form, or a number in it is 0 or too large.
        """
        match = _ADDRESS.fullmatch(address)
        numbers = [int(number) for number in match.groups("0")] if match else []
        given = [int(number) for number in match.groups() if number] if match else [0]
        if 0 in given:
            raise InputError(
                f"a test pattern has the form {PREFIX}[WIDTHxHEIGHT][@FPS][?frames=COUNT] with "
                f"numbers above 0, sides and FPS below 10000 and COUNT below 10⁹, for "
                f"example {PREFIX}640x360@25?frames=100, got {address[:100]!r}"
            )
        width, height, rate, count = (
            n or d for n, d in zip(numbers, (640, 360, 25, 250), strict=True)
        )
        super().__init__(
            self._read(width, height, rate, count),
            address,
            time_base=Fraction(1, rate),
            average_rate=Fraction(rate),
            frame_count=count,
            duration_seconds=count / rate,
        )

    @staticmethod
    def _read(width: int, height: int, rate: int, count: int) -> Generator[Frame, None, None]:
        for index in range(count):
            pts_seconds = index / rate
            yield Frame(index, pts_seconds, height, width, partial(_draw, pts_seconds))


def _draw(seconds: float, width: int, height: int) -> Image:
    """Draw the street at a time in seconds; RGB uint8 [height, width, 3]."""
    if width < 1 or height < 1:
        raise InputError(f"an image is at least 1x1 pixels, got {width}x{height}")
    canvas = np.empty((height, width, 3), np.uint8)
    horizon = round(_HORIZON * height)
    canvas[:horizon] = _gradient(_SKY_TOP, _SKY_BOTTOM, horizon)
    canvas[horizon:] = _gradient(_ROAD_TOP, _ROAD_BOTTOM, height - horizon)
    for mover in _MOVERS:
        # from just outside the left edge to just outside the right one, repeated
        way = 1 + mover.length_x
        x = (mover.start_x + mover.speed_per_second * seconds) % way - mover.length_x
        (_draw_car if mover.kind == "car" else _draw_person)(canvas, mover, x)
    return canvas


def _draw_car(canvas: Image, car: _Mover, x: float) -> None:
    top, length, height = car.foot_y - car.height_y, car.length_x, car.height_y
    _fill_rectangle(canvas, x, top + 0.4 * height, length, 0.45 * height, car.colour)
    _fill_rectangle(canvas, x + 0.2 * length, top, 0.6 * length, 0.5 * height, car.colour)
    _fill_rectangle(
        canvas, x + 0.26 * length, top + 0.1 * height, 0.48 * length, 0.28 * height, _GLASS
    )
    for wheel_x in (0.14, 0.66):
        _fill_ellipse(
            canvas, x + wheel_x * length, top + 0.66 * height, 0.2 * length, 0.34 * height, _TYRE
        )


def _draw_person(canvas: Image, person: _Mover, x: float) -> None:
    top, length, height = person.foot_y - person.height_y, person.length_x, person.height_y
    _fill_ellipse(canvas, x, top + 0.18 * height, length, 0.5 * height, person.colour)
    _fill_rectangle(
        canvas, x + 0.2 * length, top + 0.55 * height, 0.6 * length, 0.45 * height, _GLASS
    )
    _fill_ellipse(canvas, x + 0.2 * length, top, 0.6 * length, 0.2 * height, _SKIN)


def _gradient(top: tuple[int, int, int], bottom: tuple[int, int, int], rows: int) -> Image:
    colours = np.linspace(top, bottom, rows).astype(np.uint8)  # [rows, 3]
    return colours[:, None, :]


def _fill_rectangle(
    canvas: Image, x: float, y: float, width: float, height: float, colour: tuple[int, int, int]
) -> None:
    rows, columns, _ = canvas.shape
    x0, x1 = (min(max(round(edge * columns), 0), columns) for edge in (x, x + width))
    y0, y1 = (min(max(round(edge * rows), 0), rows) for edge in (y, y + height))
    canvas[y0:y1, x0:x1] = colour


def _fill_ellipse(
    canvas: Image, x: float, y: float, width: float, height: float, colour: tuple[int, int, int]
) -> None:
    rows, columns, _ = canvas.shape
    x0, x1 = (min(max(round(edge * columns), 0), columns) for edge in (x, x + width))
    y0, y1 = (min(max(round(edge * rows), 0), rows) for edge in (y, y + height))
    across = ((np.arange(x0, x1) + 0.5) / columns - x) / width * 2 - 1
    down = ((np.arange(y0, y1) + 0.5) / rows - y) / height * 2 - 1
    inside = across[None, :] ** 2 + down[:, None] ** 2 <= 1
    canvas[y0:y1, x0:x1][inside] = colour

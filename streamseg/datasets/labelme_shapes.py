"""The shapes of a LabelMe file: checked, and drawn as labelme itself draws them.

labelme/utils/shape.py of https://github.com/wkentaro/labelme.
"""

from __future__ import annotations

import base64
import math
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw

from streamseg.datasets.json_entries import Entry
from streamseg.datasets.painting import fill_polygons
from streamseg.errors import DataError

_POLYGONS = {"polygon": 3, "oriented_rectangle": 4}
"""How many points each kind of polygon has at least."""
_TWO_POINTS = ("rectangle", "circle", "mask")
_KINDS = (*_POLYGONS, *_TWO_POINTS)


@dataclass(frozen=True, eq=False)
class Shape:
    """One shape of an image."""

    label: str
    group: int | None
    """Shapes with the same label and group are one object; None: an object of its own."""
    kind: str
    """One of ``_KINDS``."""
    points: NDArray[np.float64]
    """[n, 2]: corners of a polygon; two opposite corners of a rectangle or mask; centre and a
    point of a circle."""
    bitmap: NDArray[np.bool_] | None
    """[h, w] of a mask, from its first corner to the second, both included."""


def parse(entry: Entry) -> Shape:
    """Check a shape.

    Raises:
        DataError: it is broken, or encloses no area, such as a point or a line.
    """
    kind = entry.fields.get("shape_type") or "polygon"
    points = entry.points("points")
    if kind == "rectangle" and len(points) > 2:  # as X-AnyLabeling writes it
        kind = "polygon"
    if kind not in _KINDS:
        raise DataError(f"{entry.place}: a {kind} has no area; allowed are {', '.join(_KINDS)}")
    least = _POLYGONS.get(kind, 2)
    if len(points) < least or (kind in _TWO_POINTS and len(points) != 2):
        raise DataError(f"{entry.place}: a {kind} needs {least} points, got {len(points)}")
    group = entry.fields.get("group_id")
    if group is not None and not isinstance(group, int):
        raise DataError(f"{entry.place}: group_id must be int or null, got {group!r}")
    bitmap = _bitmap(entry) if kind == "mask" else None
    return Shape(entry.get("label", str), group, kind, points, bitmap)


def draw(shape: Shape, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Draw a shape into a mask [H, W] of this size, outline included."""
    if shape.kind in _POLYGONS:
        return fill_polygons(size, [shape.points])
    height, width = size
    (x0, y0), (x1, y1) = shape.points.tolist()
    if shape.bitmap is not None:
        mask = np.zeros(size, np.bool_)
        left, top = max(0, int(x0)), max(0, int(y0))
        part = shape.bitmap[top - int(y0) :, left - int(x0) :][
            : max(0, height - top), : max(0, width - left)
        ]
        mask[top : top + part.shape[0], left : left + part.shape[1]] = part
        return mask
    image = PillowImage.new("L", (width, height))
    pen = ImageDraw.Draw(image)
    if shape.kind == "circle":
        radius = math.dist((x0, y0), (x1, y1))
        box = (x0 - radius, y0 - radius, x0 + radius, y0 + radius)
        pen.ellipse(box, fill=1, outline=1)
    else:
        box = (min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
        pen.rectangle(box, fill=1, outline=1)
    return np.asarray(image) > 0


def _bitmap(entry: Entry) -> NDArray[np.bool_]:
    try:
        data = base64.b64decode(entry.get("mask", str), validate=True)
        with PillowImage.open(BytesIO(data)) as image:
            return np.array(image.convert("L")) > 0
    except (OSError, SyntaxError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{entry.place}: mask must be a PNG in base64: {error}") from error

"""Masks in COCO's formats: polygons, or run lengths as numbers or as a string."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Outline: TypeAlias = tuple[NDArray[np.float64], ...]
"""Polygons, each float64 [2n]: x, y, x, y ... in pixels; the mask is what any of them encloses."""
Runs: TypeAlias = NDArray[np.uint32]
"""Lengths of the runs of 0, 1, 0, 1 ... down the columns, from left to right."""


def parse(segmentation: object, height: int, width: int) -> Outline | Runs:
    """Check the ``segmentation`` of an annotation and convert it to arrays.

    Args:
        segmentation: from the JSON: a list of polygons, or an object with ``size`` and ``counts``.
        height: of the image in pixels.
        width: of the image in pixels.

    Raises:
        ValueError: it is neither, or does not fit the image.
    """
    if isinstance(segmentation, Mapping):
        return _parse_runs(segmentation, height, width)
    if isinstance(segmentation, Sequence) and not isinstance(segmentation, str):
        polygons = tuple(_parse_polygon(polygon, height, width) for polygon in segmentation)
        # COCO itself holds a few polygons of one or two points: they enclose nothing
        return tuple(polygon for polygon in polygons if len(polygon) >= 6)
    raise ValueError(f"a segmentation is a list or an object, got {type(segmentation).__name__}")


def encode(shape: Outline | Runs, height: int, width: int) -> dict[str, Any]:
    """Encode a mask for the COCO tools (``area``, ``decode``), which also fill the polygons."""
    from pycocotools import mask as coco_mask

    if isinstance(shape, tuple):
        # without any polygon, ``merge`` would not know the image's size
        parts = coco_mask.frPyObjects(list(shape) or [np.zeros(6)], height, width)
        encoded: dict[str, Any] = coco_mask.merge(parts)
    else:
        encoded = coco_mask.frPyObjects({"size": [height, width], "counts": shape}, height, width)
    return encoded


def _parse_polygon(polygon: object, height: int, width: int) -> NDArray[np.float64]:
    try:
        points = np.array(polygon, np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError("a polygon must be a list of numbers") from error
    if points.ndim != 1 or len(points) % 2:
        raise ValueError("a polygon must be a list of x, y, x, y ...")
    # filling needs memory for each pixel of the outline
    reach = 2 * max(height, width)
    if not np.all(np.abs(points) <= reach):
        raise ValueError(f"a polygon reaches far out of the image of {width}x{height} pixels")
    return points


def _parse_runs(encoded: Mapping[Any, Any], height: int, width: int) -> Runs:
    if encoded.get("size") != [height, width]:
        raise ValueError(f"the mask's size must be {[height, width]}, got {encoded.get('size')}")
    counts = encoded.get("counts")
    try:
        runs = _decode_counts(counts) if isinstance(counts, str) else np.array(counts)
    except ValueError as error:
        raise ValueError("the counts must be a string or a list of whole numbers") from error
    if runs.ndim != 1 or not runs.size or runs.dtype.kind != "i":
        raise ValueError("the counts must be a string or a list of whole numbers")
    pixels = height * width
    if runs.min() < 0 or runs.max() > pixels or runs.sum() != pixels:
        raise ValueError(f"the counts must be 0 or more and sum up to {pixels}")
    return runs.astype(np.uint32)


def _decode_counts(text: str) -> NDArray[np.int64]:
    """COCO's compressed counts as numbers.

    Five bits per letter, lowest first, from the letter ``0`` on; the sixth bit says that the number
    goes on, and the fifth of its last letter is the sign. From the fourth on, a number is the
    difference to the one two before it.
    """
    counts: list[int] = []
    value = shift = 0
    for letter in text:
        bits = ord(letter) - ord("0")
        if not 0 <= bits < 64 or shift > 60:
            raise ValueError(f"counts cannot hold {letter!r} here")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value = shift = 0
    if shift:
        raise ValueError("counts end within a number")
    return np.array(counts, np.int64)

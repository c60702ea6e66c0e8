"""Checks of the ops' arguments; each error says what to pass instead."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from streamseg.errors import InputError

LARGEST_SQUARED_NORM = 1e37
"""Above it a squared distance, at most four times as large, could overflow float32."""


def check_array(
    name: str, value: object, dtype: DTypeLike, axes: tuple[str | int, ...], *, empty: bool = False
) -> None:
    """Refuse anything but an array of this dtype and shape.

    Args:
        name: name of the argument, for the error.
        value: the argument.
        dtype: the only dtype allowed; nothing is converted silently.
        axes: one entry per axis: its size, or its name where any size will do.
        empty: whether an axis may have size 0.

    Raises:
        InputError: it is anything else.
    """
    given = type(value).__name__
    if isinstance(value, np.ndarray):
        given = f"{value.dtype} {list(value.shape)}"
        if value.dtype == dtype and value.ndim == len(axes) and (value.size or empty):
            sizes = zip(axes, value.shape, strict=True)
            if all(isinstance(axis, str) or axis == size for axis, size in sizes):
                return
    wanted = f"{np.dtype(dtype)} [{', '.join(map(str, axes))}]"
    rule = "" if empty else " and not empty"
    raise InputError(f"{name} must be a numpy array {wanted}{rule}, got {given}")


def check_finite(name: str, array: NDArray[np.float32]) -> None:
    """Refuse NaN and infinity.

    Raises:
        InputError: there is one.
    """
    finite = np.isfinite(array)
    if not finite.all():
        bad = finite.size - int(np.count_nonzero(finite))
        raise InputError(f"{name} must be finite, got {bad} NaN or infinite of {finite.size}")


def check_between(name: str, array: NDArray[Any], low: float, high: float) -> None:
    """Refuse NaN, and values outside ``low``..``high``, both allowed.

    Raises:
        InputError: there is one.
    """
    if array.size:
        smallest, largest = array.min(), array.max()
        if not (smallest >= low and largest <= high):
            raise InputError(f"{name} must lie in {low}..{high}, got {smallest}..{largest}")


def check_thresholds(name: str, taus: NDArray[np.float32]) -> None:
    """Refuse similarity thresholds that no pixel or every pixel would pass.

    Raises:
        InputError: one lies outside 0 < tau < 1.
    """
    if taus.size and not (taus.min() > 0 and taus.max() < 1):
        raise InputError(f"{name} must lie between 0 and 1, both excluded, got {taus.tolist()}")


def check_count(name: str, value: int, low: int, high: int | None = None) -> None:
    """Refuse anything but a whole number in ``low``..``high``.

    Raises:
        InputError: it is anything else.
    """
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or value < low or (high is not None and value > high):
        allowed = f"at least {low}" if high is None else f"in {low}..{high}"
        raise InputError(f"{name} must be a whole number {allowed}, got {value!r}")


def check_number(name: str, value: float, low: float, high: float) -> None:
    """Refuse anything but a number in ``low``..``high``, both allowed.

    Raises:
        InputError: it is anything else.
    """
    if not isinstance(value, (int, float, np.floating, np.integer)) or not low <= value <= high:
        raise InputError(f"{name} must be a number in {low}..{high}, got {value!r}")

"""The images of a source: a ``Frame`` renders one at any size, whatever it was decoded from."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from streamseg.errors import InputError

Image: TypeAlias = NDArray[np.uint8]  # RGB [H, W, 3]

NS_PER_SECOND = 1_000_000_000


class Recorded(NamedTuple):
    """Where in a drive recording a frame comes from."""

    stamp_ns: int
    """When the image was taken, by the header of its message, in ns; the log time if the header
    is empty. It is the recording's own value, also where it jumps back."""
    log_ns: int
    """When the recorder received the message, in ns."""
    topic: str
    """Name of the topic, such as ``/camera/front``."""
    frame_id: str
    """Coordinate frame of the camera; may be empty."""


UNNUMBERED = -1
"""``Frame.image_number`` of an image whose name is not a number, among images whose names are."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One image of a source, converted when it is first used.

    A pickled or deeply copied frame holds the full-size image instead of the decoder's frame, and
    scales that image.
    """

    index: int
    """Position in the source, counted from 0."""
    pts_seconds: float
    """Presentation time from the media's own clock, in seconds."""
    height: int
    """Height of the upright image in pixels (rotation metadata is applied)."""
    width: int
    """Width of the upright image in pixels."""
    render: Callable[[int, int], Image] = field(repr=False)
    """``render(width, height)``: the upright image as RGB uint8 [height, width, 3]."""
    pixel_aspect: Fraction = field(default=Fraction(1), repr=False)
    """Width of a displayed pixel divided by its height. Sizes, masks and boxes are always in pixels
    as stored; the network sees square pixels."""
    captured_at: float = field(default_factory=time.monotonic, repr=False)
    """When the frame reached this machine, before decoding; in seconds of ``time.monotonic``."""
    is_still: bool = field(default=False, repr=False)
    """Whether it is a single image and not a frame of a video. All instances of a single image
    count as confirmed."""
    image_name: str | None = field(default=None, repr=False)
    """Name of the image's file; None for video.

    - ``0001`` for ``0001.png``.
    - ``0001.png`` if there is ``0001.jpg``, too.
    - None for all images if two have the same full name, in two folders.
    - ``scan-1``, ``scan-2`` for the second and third page of ``scan.tiff``.
    """
    image_number: int | None = field(default=None, repr=False)
    """The name as a number.

    - 12 for ``0012.png``.
    - ``UNNUMBERED`` for ``cover.png`` among numbers, and for all pages of a file but the first.
    - None for all images if fewer than half are named by numbers, or two by the same number.
    """
    recorded: Recorded | None = field(default=None, repr=False)
    """Stamp and topic of the message; None if the source is not a drive recording."""

    @property
    def stamp_ns(self) -> int | None:
        """``recorded.stamp_ns``: when the image was taken, in ns; None without a recording."""
        return None if self.recorded is None else self.recorded.stamp_ns

    @property
    def display_width(self) -> int:
        """Width of the displayed image if its pixels are square and its height is ``height``."""
        return max(1, round(self.width * self.pixel_aspect))

    @cached_property
    def image(self) -> Image:
        """The image at its own size, RGB uint8 [H, W, 3]; converted on first use."""
        return self.render(self.width, self.height)

    def __getstate__(self) -> dict[str, Any]:
        """All fields, with the image in place of the decoder's frame."""
        return {**self.__dict__, "image": self.image, "render": ArrayImage(self.image)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the fields of a frozen object."""
        self.__dict__.update(state)


@dataclass(frozen=True, eq=False)
class ArrayImage:
    """Renders ``pixels``, RGB uint8 [H, W, 3]; unlike a closure it can be pickled."""

    pixels: Image

    def __call__(self, width: int, height: int) -> Image:
        """The image as RGB uint8 [height, width, 3]; at its own size it is ``pixels`` itself.

        Raises:
            InputError: the width or height is below one pixel.
        """
        if width < 1 or height < 1:
            raise InputError(f"an image must have at least 1x1 pixels, got {width}x{height}")
        if (height, width) == self.pixels.shape[:2]:
            return np.ascontiguousarray(self.pixels)
        import PIL.Image

        bilinear = PIL.Image.Resampling.BILINEAR
        resized = PIL.Image.fromarray(self.pixels).resize((width, height), bilinear)
        return np.asarray(resized)


def frame_of_array(image: Image) -> Frame:
    """Wrap an image in memory.

    Args:
        image: RGB uint8 [H, W, 3].

    Raises:
        InputError: the dtype or shape is another, or there are no pixels.
    """
    if not isinstance(image, np.ndarray):
        raise InputError(
            f"image must be a numpy array, got {type(image).__name__}; "
            f"for files and cameras use stream()"
        )
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise InputError(
            f"image must be RGB uint8 [H, W, 3], got {image.dtype} {list(image.shape)}"
        )

    height, width = image.shape[:2]
    return Frame(
        index=0,
        pts_seconds=0.0,
        height=height,
        width=width,
        render=ArrayImage(image),
        is_still=True,
    )

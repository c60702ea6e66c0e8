"""Draw results over their frames, each name in its own colour.

Images are RGB uint8 [H, W, 3]. Arguments are never changed.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw

from streamseg.drawing.lettering import INK, Colour, Font, font
from streamseg.errors import InputError
from streamseg.frame import Image
from streamseg.results import Box, FrameResult, Instance

_TINT = 0.4
# Golden ratio: with this step around the circle of hues, any number of colours differ well.
_HUE_STEP = 0.618034
# Start of the hash of classes, chosen so that the first cars, persons, buses, ... of a street scene
# have very different colours.
_HUE_SALT = 3139

# One item per pixel: numpy copies such items several times faster than rows of three bytes.
_PIXEL = np.dtype((np.void, 3))


def draw(result: FrameResult, *, image: Image | None = None, only_confirmed: bool = False) -> Image:
    """Draw the instances over their frame: a tint, an outline of 2 px and a label for each.

    A label shows name and score ("car-1 87%"). Its size follows that of the frame. It is placed
    above its object if there is room. A label larger than the image is left out.

    Args:
        result: what to draw.
        image: RGB uint8 [H, W, 3] to draw over, instead of the result's own frame.
        only_confirmed: leave out instances that are not confirmed, see ``FrameResult.confirmed``.

    Returns:
        A new image, RGB uint8 [H, W, 3].

    Raises:
        InputError: ``image`` is not an RGB uint8 image of the size of the label map.
    """
    image = result.image if image is None else image
    height, width = result.label_map.shape
    if image.shape != (height, width, 3) or image.dtype != np.uint8:
        raise InputError(
            f"image must be uint8 [{height}, {width}, 3], got {image.dtype} {list(image.shape)}"
        )
    out = np.array(image, order="C")
    shown = result.confirmed if only_confirmed else result.instances
    if not shown:
        return out
    label_map = result.label_map
    if len(shown) < len(result.instances):
        kept = np.zeros(len(result.instances) + 1, label_map.dtype)
        labels = [instance.label for instance in shown]
        kept[labels] = labels
        label_map = kept.take(label_map)
    colours = np.array(
        [(0, 0, 0), *(name_colour(instance.name) for instance in result.instances)], np.uint8
    )
    _tint(out, label_map, colours)
    _outline(out, label_map, colours)

    lettering = font(label_size(height, width))
    placed: dict[Box, Image] = {}
    for instance in shown:
        plate = _plate(label_text(instance), name_colour(instance.name), lettering)
        place = _place(plate, instance.box, (height, width), placed)
        if place is not None:
            placed.setdefault(place, plate)
    # The first instance has the highest score: where labels overlap, its label is on top.
    for (x0, y0, x1, y1), plate in reversed(placed.items()):
        out[y0:y1, x0:x1] = plate
    return out


def label_text(instance: Instance) -> str:
    """Name and score: ``car-1  87%``."""
    return f"{instance.name}  {instance.score:.0%}"


def label_size(height: int, width: int) -> int:
    """The font size of labels in pixels, for an image of this size."""
    return max(11, round(min(height, width) / 42))


def name_colour(name: str) -> Colour:
    """The colour of an instance's name, the same in every run.

    The class sets a hue and the number an offset, so that car-1 and car-2 differ well. All colours
    are equally bright (OKLCH): none stands out, and dark text is readable on each.
    """
    class_name, _, number = name.rpartition("-")
    start = zlib.crc32((class_name or name).encode(), _HUE_SALT) / 2**32
    hue = 2 * math.pi * (start + _HUE_STEP * int(number) if number.isdecimal() else start)
    return _oklch(0.76, 0.16, hue)


def class_colour(class_id: int) -> Colour:
    """The colour of a class in images of classes; those of 20 classes differ well.

    Hues in steps of the golden ratio are similar again after 8 and 13 steps. Neither is a multiple
    of 3, so that such classes differ in brightness.
    """
    return _oklch((0.88, 0.74, 0.6)[class_id % 3], 0.16, 2 * math.pi * _HUE_STEP * class_id)


def _tint(out: Image, label_map: NDArray[np.uint16], colours: NDArray[np.uint8]) -> None:
    """Blend each label's colour into its pixels of ``out``."""
    inside = label_map != 0
    pixels = out.view(_PIXEL)[..., 0]
    share = round(256 * _TINT)
    tint = colours.astype(np.uint16) * np.uint16(share)
    # Only labelled pixels, which in most frames are a fraction of the image.
    blend = pixels[inside].view(np.uint8).reshape(-1, 3).astype(np.uint16)
    blend *= 256 - share
    blend += tint.take(label_map[inside], axis=0)
    blend >>= 8
    pixels[inside] = blend.astype(np.uint8).view(_PIXEL)[:, 0]


def _outline(out: Image, label_map: NDArray[np.uint16], colours: NDArray[np.uint8]) -> None:
    """Paint the pixels on both sides of every change of label."""
    width = label_map.shape[1]
    labels = label_map.ravel()
    pixels = out.view(_PIXEL).ravel()
    ink = colours.view(_PIXEL).ravel()
    row, column = np.divmod(np.flatnonzero(label_map[:, 1:] != label_map[:, :-1]), width - 1)
    beside = row * width + column
    above = np.flatnonzero(label_map[1:] != label_map[:-1])
    for first, second in ((beside, beside + 1), (above, above + width)):
        label, other = labels[first], labels[second]
        # A background pixel takes the colour of its neighbour; between two instances each keeps
        # its own colour.
        pixels[first] = ink[np.where(label, label, other)]
        pixels[second] = ink[np.where(other, other, label)]


def _plate(text: str, colour: Colour, lettering: Font) -> Image:
    """Draw a line of dark text on a plate of a colour, RGB uint8."""
    _, top, _, bottom = lettering.getbbox("Ag0%")
    line = bottom - top
    pad = max(2, round(line / 3))
    plate = Pillow.new(
        "RGB", (round(lettering.getlength(text)) + 2 * pad, round(line) + 2 * pad), colour
    )
    ImageDraw.Draw(plate).text((pad, pad - top), text, fill=INK, font=lettering)
    return np.asarray(plate)


def _place(plate: Image, box: Box, size: tuple[int, int], taken: Collection[Box]) -> Box | None:
    """Place a plate above, inside or below its box, so that it overlaps no other if possible."""
    height, width = size
    plate_height, plate_width = plate.shape[:2]
    if plate_width > width or plate_height > height:
        return None
    x0 = min(max(box[0], 0), width - plate_width)
    x1 = x0 + plate_width
    above, inside, below = box[1] - plate_height, box[1], box[3]
    # A plate must not hide a small object.
    roomy = box[2] - box[0] >= plate_width and box[3] - box[1] >= 2 * plate_height
    places = [
        (x0, y0, x1, y0 + plate_height)
        for y0 in ((above, inside, below) if roomy else (above, below, inside))
        if 0 <= y0 <= height - plate_height
    ]
    if not places:
        return x0, height - plate_height, x1, height
    for place in places:
        if not any(_overlap(place, other) for other in taken):
            return place
    return places[0]


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _oklch(lightness: float, chroma: float, hue: float) -> Colour:
    """A colour of the OKLCH space, hue in radians, as sRGB."""
    a, b = chroma * math.cos(hue), chroma * math.sin(hue)
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        _srgb(4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short),
        _srgb(-1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short),
        _srgb(-0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short),
    )


def _srgb(linear: float) -> int:
    """Convert a linear channel, clipped to 0..1, to an sRGB byte."""
    x = min(max(linear, 0.0), 1.0)
    return round(255 * (12.92 * x if x <= 0.0031308 else 1.055 * x ** (1 / 2.4) - 0.055))

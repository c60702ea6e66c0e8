"""Label sets, and one spelling for the names of their classes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from streamseg.errors import ConfigError

Classes: TypeAlias = str | Sequence[str]
"""A key of ``LABEL_SETS``, or names of classes."""

VOC_CLASSES: tuple[str, ...] = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa",
    "train", "tvmonitor",
)  # fmt: skip
"""PASCAL VOC, in its own order: class k (1..20) is ``VOC_CLASSES[k - 1]``."""

COCO_CLASSES: tuple[str, ...] = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat",
    "traffic light", "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog",
    "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", "backpack", "umbrella",
    "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard", "sports ball", "kite",
    "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket", "bottle",
    "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange",
    "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch", "potted plant",
    "bed", "dining table", "toilet", "tv", "laptop", "mouse", "remote", "keyboard", "cell phone",
    "microwave", "oven", "toaster", "sink", "refrigerator", "book", "clock", "vase", "scissors",
    "teddy bear", "hair drier", "toothbrush",
)  # fmt: skip
"""COCO's 80 classes of things, in the order in which detectors number them."""

_SPELLINGS = {
    "airplane": "aeroplane",
    "motorcycle": "motorbike",
    "couch": "sofa",
    "television": "tvmonitor",
    "tv": "tvmonitor",
}


def plain_name(name: str) -> str:
    """Reduce the names of a class to one spelling: that of VOC where VOC has the class.

    Case, spaces, hyphens and underscores do not matter.

    >>> plain_name("Dining Table"), plain_name("tv"), plain_name("traffic light")
    ('diningtable', 'tvmonitor', 'trafficlight')
    """
    plain = "".join(letter for letter in name.lower() if letter not in " -_")
    return _SPELLINGS.get(plain, plain)


MOST_CLASSES: Final = 1000
"""Most classes of a data set or a model."""


def distinct(names: Iterable[str]) -> tuple[str, ...]:
    """The names without those that repeat an earlier one, maybe in another spelling.

    >>> distinct(["Dining Table", "car", "dining_table"])
    ('Dining Table', 'car')
    """
    first: dict[str, str] = {}
    for name in names:
        first.setdefault(plain_name(name), name)
    return tuple(first.values())


def shared_classes(names: Sequence[str], others: Iterable[str]) -> tuple[str, ...]:
    """The names that are among the others too, in whatever spelling.

    >>> shared_classes(["car", "tv", "forklift"], ["tvmonitor", "Car"])
    ('car', 'tv')
    """
    plain = {plain_name(name) for name in others}
    return tuple(name for name in names if plain_name(name) in plain)


_COCO_INDEX = {plain_name(name): index for index, name in enumerate(COCO_CLASSES)}


def coco_index(name: str) -> int | None:
    """Find the class of a name among ``COCO_CLASSES``: its position, None if there is none.

    >>> coco_index("motorbike"), coco_index("forklift")
    (3, None)
    """
    return _COCO_INDEX.get(plain_name(name))


LABEL_SETS: Final = {"voc": VOC_CLASSES, "coco": COCO_CLASSES}
"""Lists of classes by name."""


def select_classes(
    known: Sequence[str], wanted: Classes | None
) -> tuple[tuple[str, ...], list[int]]:
    """Choose classes of a model by name, in any spelling.

    Args:
        known: the model's classes.
        wanted: a label set or names; all classes of the model if None.

    Returns:
        The names as given, and the position of each among ``known``.

    Raises:
        ConfigError: the label set does not exist, no class is named, a class is named twice, or
            the model does not know a class.

    >>> select_classes(COCO_CLASSES, ["motorbike", "truck"])
    (('motorbike', 'truck'), [3, 7])
    """
    if wanted is None:
        return tuple(known), list(range(len(known)))
    if isinstance(wanted, str):
        if wanted not in LABEL_SETS:
            raise ConfigError(
                f"classes must be {', '.join(LABEL_SETS)} or a list of names, got {wanted!r}"
            )
        wanted = LABEL_SETS[wanted]
    index = {plain_name(name): position for position, name in enumerate(known)}
    plain = [plain_name(name) for name in wanted]
    for name, spelled in zip(plain, wanted, strict=True):
        if name not in index:
            near = get_close_matches(name, index, n=1)
            meant = f" (did you mean {known[index[near[0]]]}?)" if near else ""
            raise ConfigError(f"the model does not know the class {spelled!r}{meant}")
    if not plain or len(set(plain)) < len(plain):
        raise ConfigError(f"classes must be different names, at least one, got {list(wanted)}")
    return tuple(wanted), [index[name] for name in plain]


def voc_colours() -> NDArray[np.uint8]:
    """PASCAL VOC's palette: the colour of each value of a mask, uint8 [256, 3].

    The bits of a value, three at a time from the lowest, are the bits of red, green and blue from
    the highest (VOC2012 development kit).
    """
    values = np.arange(256)
    colours = np.zeros((256, 3), np.int64)
    for step in range(8):
        for channel in range(3):
            colours[:, channel] |= ((values >> (3 * step + channel)) & 1) << (7 - step)
    return colours.astype(np.uint8)

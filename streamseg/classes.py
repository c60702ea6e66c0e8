"""Label sets, and one spelling for the names of their classes."""

from __future__ import annotations

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
    """One spelling for all names of a class: that of VOC where VOC has the class.

    Case, spaces, hyphens and underscores do not matter.

    >>> plain_name("Dining Table"), plain_name("tv"), plain_name("traffic light")
    ('diningtable', 'tvmonitor', 'trafficlight')
    """
    plain = "".join(letter for letter in name.lower() if letter not in " -_")
    return _SPELLINGS.get(plain, plain)


_COCO_INDEX = {plain_name(name): index for index, name in enumerate(COCO_CLASSES)}


def coco_index(name: str) -> int | None:
    """Position among ``COCO_CLASSES`` of the class that a name means, None if it has none.

    >>> coco_index("motorbike"), coco_index("forklift")
    (3, None)
    """
    return _COCO_INDEX.get(plain_name(name))

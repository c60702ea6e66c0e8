"""The classes that the shipped model knows, in the order of PASCAL VOC."""

from __future__ import annotations

VOC_CLASSES: tuple[str, ...] = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa",
    "train", "tvmonitor",
)  # fmt: skip
"""Class k of a result (k = 1..20) is ``VOC_CLASSES[k - 1]``; 0 is background."""

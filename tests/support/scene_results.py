"""Results of made-up frames, for tests of what is written from them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streamseg.frame import Frame
from streamseg.results import FrameResult, Instance

HEIGHT, WIDTH = 48, 64
SIDE = 10


def make_result(
    index: int,
    names: Sequence[str],
    *,
    scores: Sequence[float] = (),
    unconfirmed: Sequence[str] = (),
) -> FrameResult:
    """One frame of 48 by 64 with a square of 10 by 10 for each name, which moves with the index.

    Args:
        index: of the frame, 25 a second.
        names: at most 16, as ``car-1``. The number is the track's, too; a class is numbered by its
            first letter.
        scores: one for each; 0.9, 0.89, ... by default.
        unconfirmed: those of the names whose track is not confirmed yet.
    """
    label_map = np.zeros((HEIGHT, WIDTH), np.uint16)
    instances = []
    for label, name in enumerate(names, 1):
        class_name, _, number = name.rpartition("-")
        row, column = divmod(label - 1, 4)
        y, x = 12 * row + 1, 14 * column + index % 8
        label_map[y : y + SIDE, x : x + SIDE] = label
        instances.append(
            Instance(
                name=name,
                class_name=class_name,
                class_id=ord(class_name[0]) - ord("a") + 1,
                track_id=int(number),
                is_confirmed=name not in unconfirmed,
                score=scores[label - 1] if scores else 0.9 - 0.01 * (label - 1),
                box=(x, y, x + SIDE, y + SIDE),
                area_px=SIDE * SIDE,
                seed_yx=(y + 5, x + 5),
                tau=0.75,
                embedding=np.zeros(4, np.float32),
                label=label,
                label_map=label_map,
            )
        )
    image = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    frame = Frame(index, index / 25, HEIGHT, WIDTH, lambda width, height: image)
    return FrameResult(frame, label_map, tuple(instances), 0, {"network": 1.0})

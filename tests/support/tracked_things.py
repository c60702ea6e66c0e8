"""Rectangles that move, as segments for a tracker, and their names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streamseg.results import Segments
from streamseg.tracking import Tracker, TrackName

CLASSES = ("car", "person", "bus")
CAR, PERSON, BUS = 1, 2, 3
HEIGHT, WIDTH = 180, 320
FRAME_SECONDS = 1 / 25


@dataclass(frozen=True)
class Thing:
    """A rectangle; of two that overlap, the later in a list is in front."""

    x: float
    y: float
    width: int = 40
    height: int = 24
    class_id: int = CAR
    look: int = 0
    score: float = 0.9


def make_segments(
    things: Sequence[Thing], *, height: int = HEIGHT, width: int = WIDTH
) -> tuple[Segments, list[int]]:
    """The visible things as segments, and each one's index in ``things``."""
    painted = np.zeros((height, width), np.uint16)
    for k, thing in enumerate(things, 1):
        x, y = round(thing.x), round(thing.y)
        painted[max(y, 0) : max(y + thing.height, 0), max(x, 0) : max(x + thing.width, 0)] = k
    visible = [k for k in range(1, len(things) + 1) if (painted == k).any()]
    label_map = np.zeros_like(painted)
    boxes, areas, seeds, embeddings = [], [], [], []
    for label, k in enumerate(visible, 1):
        rows, columns = np.nonzero(painted == k)
        label_map[rows, columns] = label
        boxes.append((columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))
        areas.append(len(rows))
        seeds.append((rows[len(rows) // 2], columns[len(rows) // 2]))
        # Like the network's: a look of its own and, more weakly, the place in the image.
        embedding = np.zeros(8)
        embedding[things[k - 1].look % 6] = 3.0
        embedding[6:] = seeds[-1][0] / height, seeds[-1][1] / width
        embeddings.append(embedding)
    shown = [things[k - 1] for k in visible]
    segments = Segments(
        label_map=label_map,
        class_id=np.array([thing.class_id for thing in shown], np.int64),
        score=np.array([thing.score for thing in shown], np.float32),
        box=np.array(boxes, np.int64).reshape(-1, 4),
        area_px=np.array(areas, np.int64),
        seed_yx=np.array(seeds, np.int64).reshape(-1, 2),
        tau=np.full(len(shown), 0.5, np.float32),
        embedding=np.array(embeddings, np.float32).reshape(-1, 8),
    )
    return segments, [k - 1 for k in visible]


def named(tracker: Tracker, segments: Segments, pts_seconds: float) -> list[TrackName]:
    """The names of segments that are all sure."""
    return [name for name in tracker.update(segments, pts_seconds) if name is not None]


def follow(tracker: Tracker, frames: Sequence[Sequence[Thing]]) -> list[dict[int, str]]:
    """Names in each frame, by the index of the thing."""
    result = []
    for index, things in enumerate(frames):
        segments, shown = make_segments(things)
        names = named(tracker, segments, index * FRAME_SECONDS)
        result.append({k: name.name for k, name in zip(shown, names, strict=True)})
    return result


def names_of(tracker: Tracker, things: Sequence[Thing], pts_seconds: float) -> list[str]:
    segments, _ = make_segments(things)
    return [name.name for name in named(tracker, segments, pts_seconds)]

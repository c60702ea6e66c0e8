"""Plan the motion in a synthetic scene: objects cross, hide, enter, leave, approach.

Positions are relative to the frame's width (x) and height (y), sizes to its height, all in the
coordinates of the scene. The camera moves in them too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.tracking_scenes.cut_outs import CutOut, ImageStock

Floats = NDArray[np.float64]

CAMERA_REACH: Final = 0.08
"""The largest distance of the camera from its centre, relative to the frame."""
_PILLAR_WIDTH = (0.2, 0.26)
# Largest width of an object, and of one that hides behind the pillar, relative to the frame.
_MAX_WIDTH = 0.4
_MAX_HIDING_WIDTH = 0.18


@dataclass(frozen=True, eq=False)
class Actor:
    """An object and its position in each of N frames."""

    cut_out: CutOut
    centre: Floats
    """[N, 2], x and y."""
    size: Floats
    """[N], height."""
    depth: float
    """Larger is further away from the camera."""


@dataclass(frozen=True, eq=False)
class Plan:
    """Everything that a scene shows."""

    actors: tuple[Actor, ...]
    """Actor k-1 is track k."""
    camera: Floats
    """[N, 2]: its centre, x and y, -CAMERA_REACH to CAMERA_REACH."""
    pillar: tuple[float, float] | None
    """Left and right edge of a pillar in front of all objects, from top to bottom of the frame."""


def draw_plan(stock: ImageStock, rng: np.random.Generator, frames: int, aspect: float) -> Plan:
    """Plan a scene: two objects cross, one passes, one approaches, sometimes one hides.

    Args:
        stock: of the objects.
        rng: draws everything.
        frames: N, number of frames.
        aspect: width of the frame divided by its height.

    Raises:
        DataError: the stock has no object.
    """
    time = np.linspace(0, 1, frames)
    first = stock.cut_out(rng)
    second = stock.cut_out(rng, like=first if rng.random() < 0.5 else None)
    actors = [*_crossing(rng, time, first, second)]
    actors.append(_passing(rng, time, stock.cut_out(rng)))
    actors.append(_approaching(rng, time, stock.cut_out(rng)))
    actors = [_narrowed(actor, _MAX_WIDTH * aspect) for actor in actors]
    pillar = None
    if rng.random() < 0.6:
        left = rng.uniform(0.3, 0.5)
        pillar = (left, left + rng.uniform(*_PILLAR_WIDTH))
        hiding = _hiding(rng, time, stock.cut_out(rng), sum(pillar) / 2)
        actors.append(_narrowed(hiding, _MAX_HIDING_WIDTH * aspect))
    return Plan(tuple(actors), _camera(rng, frames), pillar)


def _narrowed(actor: Actor, widest: float) -> Actor:
    """Reduce an object to a largest width, relative to the frame's height."""
    height, width = actor.cut_out.pixels.shape[:2]
    return replace(actor, size=np.minimum(actor.size, widest * height / width))


def _crossing(
    rng: np.random.Generator, time: Floats, first: CutOut, second: CutOut
) -> tuple[Actor, Actor]:
    """Two objects meet in the middle of the image and move on, one in front of the other."""
    y = rng.uniform(0.35, 0.65)
    meeting = rng.uniform(0.4, 0.6)
    size = rng.uniform(0.35, 0.5)
    actors = []
    for cut_out, direction, depth in ((first, 1, 1.0), (second, -1, 2.0)):
        speed = direction * rng.uniform(0.7, 1.1)
        x = 0.5 + speed * (time - meeting)
        sway = rng.uniform(0, 0.03) * np.sin(
            2 * math.pi * (rng.uniform(1, 3) * time + rng.random())
        )
        own_size = size * (0.8 if depth > 1 else 1.0)
        actors.append(Actor(cut_out, _points(x, y + sway), np.full(len(time), own_size), depth))
    return actors[0], actors[1]


def _passing(rng: np.random.Generator, time: Floats, cut_out: CutOut) -> Actor:
    """An object enters at one side and leaves at the other, in front of everything else."""
    start, end = sorted(rng.uniform(0, 1, 2))
    end = max(end, start + 0.5)
    direction = rng.choice([-1, 1])
    x = 0.5 + direction * 1.7 * ((time - start) / (end - start) - 0.5)
    y = np.full(len(time), rng.uniform(0.7, 0.85))
    return Actor(cut_out, _points(x, y), np.full(len(time), rng.uniform(0.3, 0.4)), 0.5)


def _approaching(rng: np.random.Generator, time: Floats, cut_out: CutOut) -> Actor:
    """An object stays in the image while its size doubles or halves."""
    near, far = rng.uniform(0.45, 0.6), rng.uniform(0.22, 0.3)
    grown = time if rng.random() < 0.5 else 1 - time
    x = rng.uniform(0.2, 0.8) + rng.uniform(-0.2, 0.2) * time
    y = np.full(len(time), rng.uniform(0.25, 0.4))
    return Actor(cut_out, _points(x, y), far * (near / far) ** grown, 3.0)


def _hiding(rng: np.random.Generator, time: Floats, cut_out: CutOut, hide_out: float) -> Actor:
    """An object moves behind the pillar, stays for up to a third of the clip, and reappears."""
    arrive = rng.uniform(0.25, 0.4)
    leave = arrive + rng.uniform(0.0, 0.33)
    before = hide_out - rng.uniform(1.2, 1.6) * rng.choice([-1, 1]) * (arrive - time)
    onward = np.sign(before[-1] - before[0]) * rng.choice([1, 1, -1])  # one in three turns back
    after = hide_out + onward * rng.uniform(1.2, 1.6) * (time - leave)
    x = np.where(time < arrive, before, np.where(time < leave, hide_out, after))
    y = np.full(len(time), rng.uniform(0.4, 0.7))
    return Actor(cut_out, _points(x, y), np.full(len(time), rng.uniform(0.25, 0.35)), 1.5)


def _camera(rng: np.random.Generator, frames: int) -> Floats:
    """A slow pan in half of the scenes, and the shake of a hand in half of them."""
    steps = np.arange(frames)[:, None]
    path = np.zeros((frames, 2))
    if rng.random() < 0.5:
        path += 0.05 * np.sin(2 * math.pi * (steps / rng.uniform(100, 200) + rng.random(2)))
    if rng.random() < 0.5:
        noise = rng.normal(0, 0.006, (frames + 2, 2))
        path += noise[:-2] + noise[1:-1] + noise[2:]
    return np.clip(path, -CAMERA_REACH, CAMERA_REACH)


def _points(x: Floats, y: Floats) -> Floats:
    return np.stack([x, y], axis=1)

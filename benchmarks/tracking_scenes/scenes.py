"""Synthetic video clips of real objects over real backgrounds, with exact ground truth.

Cut-outs of a data set's objects move over parts of its images without objects. The motion is drawn
from a seed (``scene_plan.py``): a data set, seed and clip number always give the same pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from benchmarks.tracking_scenes.cut_outs import ImageStock
from benchmarks.tracking_scenes.scene_plan import CAMERA_REACH, Actor, Plan, draw_plan
from streamseg.datasets import InstanceDataset
from streamseg.errors import ConfigError
from streamseg.frame import Image

FRAMES_PER_SECOND: Final = 25
_MIN_SIDE_PX = 32
# An object with a smaller visible share of the frame counts as not seen: this is the default of
# ``streamseg.grouping.cpu.GroupingConfig``.
_MIN_SEEN = 2e-4


@dataclass(frozen=True, eq=False)
class SceneFrame:
    """One frame and its ground truth."""

    pts_seconds: float
    image: Image
    track_map: NDArray[np.uint16]
    """[H, W]: 0 no object, else the visible track, 1..M."""
    class_of_track: NDArray[np.int64]
    """[M], 1..20, of all tracks of the clip: the class of track k is at k-1."""


@dataclass(frozen=True, kw_only=True)
class Scenes:
    """Synthetic clips.

    Attributes:
        dataset: of the objects and backgrounds.
        ids: images of it that may be used.
        width: of the frames in pixels.
        height: of the frames in pixels.
        frames: number of frames in a clip.
        seed: another seed gives other clips.

    Raises:
        ConfigError: frames are smaller than 32 pixels, or there are fewer than 2.
    """

    dataset: InstanceDataset
    ids: Sequence[str]
    width: int = 320
    height: int = 240
    frames: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the sizes."""
        if min(self.width, self.height) < _MIN_SIDE_PX:
            raise ConfigError(
                f"frames must be at least {_MIN_SIDE_PX} pixels wide and high, "
                f"got {self.width}x{self.height}"
            )
        if self.frames < 2:
            raise ConfigError(f"a clip needs at least 2 frames, got {self.frames}")

    def clip(self, number: int) -> Iterator[SceneFrame]:
        """Draw clip ``number`` (0, 1, ...), frame by frame.

        Raises:
            DataError: the images have no object to cut out or no part without objects, or cannot
                be read.
        """
        rng = np.random.default_rng([self.seed, number])
        stock = ImageStock(self.dataset, self.ids)
        plan = draw_plan(stock, rng, self.frames, self.width / self.height)
        reach = np.array([CAMERA_REACH * self.width, CAMERA_REACH * self.height])
        margin_x, margin_y = np.ceil(reach).astype(int).tolist()
        size = (self.width + 2 * margin_x, self.height + 2 * margin_y)
        background = stock.background(rng, *size)
        pillar = stock.background(rng, *size) // 2 if plan.pillar else None
        return self._frames(plan, background, pillar)

    def _frames(self, plan: Plan, background: Image, pillar: Image | None) -> Iterator[SceneFrame]:
        classes = np.array([actor.cut_out.class_id for actor in plan.actors], np.int64)
        scale = np.array([self.width, self.height])
        middle = (np.array(background.shape[1::-1]) - scale) // 2
        behind_first = sorted(range(len(plan.actors)), key=lambda k: -plan.actors[k].depth)
        for index in range(self.frames):
            shift = np.rint(plan.camera[index] * scale).astype(int)
            x, y = (middle + shift).tolist()
            view = np.s_[y : y + self.height, x : x + self.width]
            image = background[view].copy()
            track_map = np.zeros((self.height, self.width), np.uint16)
            for k in behind_first:
                _paint(image, track_map, plan.actors[k], index, shift, k + 1)
            if pillar is not None and plan.pillar:
                edges = np.rint(np.array(plan.pillar) * self.width).astype(int) - shift[0]
                left, right = np.clip(edges, 0, self.width).tolist()
                image[:, left:right] = pillar[view][:, left:right]
                track_map[:, left:right] = 0
            seen = np.bincount(track_map.ravel()) >= max(1, _MIN_SEEN * track_map.size)
            track_map[~seen[track_map]] = 0
            yield SceneFrame(index / FRAMES_PER_SECOND, image, track_map, classes)


def _paint(
    image: Image,
    track_map: NDArray[np.uint16],
    actor: Actor,
    index: int,
    shift: NDArray[np.int64],
    track: int,
) -> None:
    """Paint an object over what is already painted."""
    height, width = track_map.shape
    own_height, own_width = actor.cut_out.pixels.shape[:2]
    shown_height = max(2, round(actor.size[index] * height))
    shown_width = max(2, round(shown_height * own_width / own_height))
    centre = actor.centre[index] * (width, height) - shift
    left, top = np.rint(centre - (shown_width / 2, shown_height / 2)).astype(int).tolist()
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + shown_width, width), min(top + shown_height, height)
    if x0 >= x1 or y0 >= y1:
        return
    pixels = PillowImage.fromarray(actor.cut_out.pixels, "RGBA").resize(
        (shown_width, shown_height), PillowImage.Resampling.BILINEAR
    )
    seen = np.asarray(pixels)[y0 - top : y1 - top, x0 - left : x1 - left].astype(np.uint16)
    alpha = seen[..., 3:]
    under = image[y0:y1, x0:x1]
    under[:] = (seen[..., :3] * alpha + under * (255 - alpha) + 127) // 255
    track_map[y0:y1, x0:x1][alpha[..., 0] >= 128] = track

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Pillow

from streamseg.tracking.scene_cuts import THUMBNAIL_SIZE, SceneCuts

Pixels = NDArray[np.uint8]
WIDTH, HEIGHT = THUMBNAIL_SIZE


def landscape(seed: int) -> Pixels:
    """A smooth random image, bright above and dark below as that of a road, [144, 384, 3]."""
    random = np.random.default_rng(seed)
    coarse = random.normal(0, 1, (9, 24))
    bumps = Pillow.fromarray(coarse).resize((384, 144), Pillow.Resampling.BICUBIC)
    sky = np.linspace(15, -15, 144)[:, None]
    grey = np.clip(110 + sky + 50 * np.asarray(bumps), 0, 255)
    image: Pixels = grey[..., None].repeat(3, axis=2).astype(np.uint8)
    return image


def view(image: Pixels, x: int = 0, y: int = 0, gain: float = 1.0) -> Pixels:
    """A thumbnail of 256x100 pixels of an image, from a corner."""
    part = image[y : y + 100, x : x + 256] * gain
    shown = Pillow.fromarray(np.clip(part, 0, 255).astype(np.uint8))
    return np.asarray(shown.resize(THUMBNAIL_SIZE, Pillow.Resampling.BOX))


def cuts(frames: list[Pixels], frame_seconds: float = 0.04) -> list[int]:
    """The frames that begin a scene."""
    scenes = SceneCuts()
    return [k for k, frame in enumerate(frames) if scenes.is_cut(frame, k * frame_seconds)]


@pytest.mark.parametrize("seed", range(8))
def test_another_scene_is_a_cut(seed: int) -> None:
    here, there = view(landscape(2 * seed)), view(landscape(2 * seed + 1))
    assert cuts([here, here, there, there, here]) == [2, 4]


@pytest.mark.parametrize("seed", range(8))
def test_turn_shake_and_exposure_are_no_cuts(seed: int) -> None:
    image = landscape(seed)
    turn = [view(image, x=25 * k) for k in range(5)]  # a tenth of the view per frame
    shake = [view(image, x=50 + dx, y=20 + dy) for dx, dy in [(0, 0), (12, -8), (-12, 8), (10, 9)]]
    exposure = [view(image, gain=gain) for gain in (1.0, 0.4, 1.0, 2.0)]
    assert cuts(turn) == cuts(shake) == cuts(exposure) == []


def test_tunnel_is_no_cut() -> None:
    inside, outside = view(landscape(0)), view(landscape(1))
    frames = []
    for share in np.linspace(0, 1, 12):  # the tunnel's mouth grows
        frame = (0.15 * inside).astype(np.uint8)
        y, x = round(HEIGHT * (1 - share) / 2), round(WIDTH * (1 - share) / 2)
        frame[y : HEIGHT - y, x : WIDTH - x] = outside[y : HEIGHT - y, x : WIDTH - x]
        frames.append(frame)
    assert cuts(frames) == cuts(frames[::-1]) == []


def test_car_on_an_empty_place_is_no_cut() -> None:
    frames = []
    for x in (0, 16, 32, 48):
        frame = np.full((HEIGHT, WIDTH, 3), 70, np.uint8)
        frame[10:30, x : x + 16] = 220
        frames.append(frame)
    assert cuts(frames) == []


def test_blank_frames_are_passed_over() -> None:
    here, there = view(landscape(0)), view(landscape(1))
    black, white = np.zeros_like(here), np.full_like(here, 255)
    assert cuts([here, white, here, black, black, here]) == []
    assert cuts([here, black, black, there]) == [3]


def test_frames_far_apart_in_time_are_no_cut() -> None:
    here, there = view(landscape(0)), view(landscape(1))
    assert cuts([here, there], frame_seconds=1.0) == []

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from dataset_files import write_voc

from benchmarks.tracking_scenes.cut_outs import ImageStock
from benchmarks.tracking_scenes.scene_plan import CAMERA_REACH, Plan, draw_plan
from benchmarks.tracking_scenes.scenes import SceneFrame, Scenes
from benchmarks.tracking_scenes.study import TrackingStudy, true_segments
from benchmarks.tracking_scenes.trackers import mask_overlap_tracker, our_tracker
from streamseg.datasets import VocLayout
from streamseg.errors import ConfigError, DataError

CLASSES = ("car", "person", "bus", "dog")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> VocLayout:
    """Four images, each with one block of its own shape and class and much room beside it."""
    maps = {}
    for class_id in (1, 2, 3, 4):
        objects = np.zeros((90, 120), np.uint8)
        objects[10 : 24 + 6 * class_id, 12:34] = 1
        maps[f"p{class_id}"] = (objects, objects * class_id)
    root = write_voc(tmp_path_factory.mktemp("voc"), maps)
    return VocLayout(root, "val")


def scenes(data: VocLayout, *, seed: int = 0, frames: int = 12) -> Scenes:
    return Scenes(dataset=data, ids=data.ids, width=128, height=96, frames=frames, seed=seed)


def plan(data: VocLayout, seed: int, frames: int = 50) -> Plan:
    rng = np.random.default_rng(seed)
    return draw_plan(ImageStock(data, data.ids), rng, frames, aspect=4 / 3)


def test_the_same_seed_and_number_give_the_same_pixels(data: VocLayout) -> None:
    first, again = list(scenes(data).clip(3)), list(scenes(data).clip(3))
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a.image, b.image)
        np.testing.assert_array_equal(a.track_map, b.track_map)
    for other in (scenes(data).clip(4), scenes(data, seed=1).clip(3)):
        assert any(
            not np.array_equal(a.track_map, b.track_map) for a, b in zip(first, other, strict=True)
        )


def test_frames_have_the_size_time_and_classes_that_they_promise(data: VocLayout) -> None:
    frames = list(scenes(data).clip(0))
    assert [frame.pts_seconds for frame in frames] == [t / 25 for t in range(12)]
    for frame in frames:
        assert frame.image.shape == (96, 128, 3)
        assert frame.track_map.shape == (96, 128)
        assert (str(frame.image.dtype), str(frame.track_map.dtype)) == ("uint8", "uint16")
        assert frame.track_map.max() <= len(frame.class_of_track)
        assert set(frame.class_of_track.tolist()) <= {1, 2, 3, 4}
        areas = np.bincount(frame.track_map.ravel())[1:]
        assert ((areas == 0) | (areas >= 2)).all()


def test_cut_outs_are_the_objects_and_backgrounds_have_none(tmp_path: Path) -> None:
    objects = np.zeros((40, 60), np.uint8)
    objects[5:25, 5:25] = 1
    objects[5:35, 58:60] = 2  # touches the border: cut by it
    objects[30:33, 5:9] = 3  # too small
    data = VocLayout(
        write_voc(tmp_path, {"p": (objects, 7 * (objects > 0).astype(np.uint8))}), "val"
    )
    stock = ImageStock(data, data.ids)
    rng = np.random.default_rng(0)
    for _ in range(5):
        cut = stock.cut_out(rng)
        assert cut.class_id == 7
        assert cut.pixels.shape == (20, 20, 4)
        assert (cut.pixels[..., 3] == 255).all()
    assert stock.background(rng, 32, 24).shape == (24, 32, 3)


def test_images_without_objects_or_without_room_are_named_as_such(tmp_path: Path) -> None:
    full = np.ones((40, 60), np.uint8)
    full[::4, ::4] = 255
    data = VocLayout(
        write_voc(tmp_path, {"p": (full, np.where(full == 255, full, 7 * full))}), "val"
    )
    stock, rng = ImageStock(data, data.ids), np.random.default_rng(0)
    with pytest.raises(DataError, match="none of the 1 images has an object to cut out"):
        stock.cut_out(rng)
    with pytest.raises(DataError, match="none of the 1 images has a part without objects"):
        stock.background(rng, 32, 24)


def test_two_cross_one_comes_near_and_some_hide(data: VocLayout) -> None:
    hidden = 0
    for seed in range(10):
        drawn = plan(data, seed)
        left, right = (actor.centre[:, 0] for actor in drawn.actors[:2])
        assert left[0] < right[0]
        assert left[-1] > right[-1]
        sizes = drawn.actors[3].size
        assert max(sizes[0] / sizes[-1], sizes[-1] / sizes[0]) > 1.3
        assert np.abs(drawn.camera).max() <= CAMERA_REACH
        if drawn.pillar:
            hidden += 1
            low, high = drawn.pillar
            x = drawn.actors[4].centre[:, 0]
            assert ((x > low) & (x < high)).any()
    assert 0 < hidden < 10


def test_names_outlast_crossings_and_occlusions_where_masks_are_true(data: VocLayout) -> None:
    makers = {"ours": lambda: our_tracker(CLASSES), "overlap alone": mask_overlap_tracker}
    every, crossing = TrackingStudy(makers), TrackingStudy(makers)
    made = Scenes(dataset=data, ids=data.ids)
    for number in range(3):
        rng = np.random.default_rng(number)
        looks = rng.normal(0, 0.5, (5, 16))
        every.begin_clip()
        crossing.begin_clip()
        for frame in made.clip(number):
            noisy = looks + rng.normal(0, 0.1, looks.shape)
            segments = true_segments(frame, noisy.astype(np.float32))
            every.look(frame, segments)
            pair = np.where(frame.track_map <= 2, frame.track_map, np.uint16(0))
            crossing.look(replace(frame, track_map=pair), segments)
        every.end_clip()
        crossing.end_clip()
    assert crossing.scores()["ours"].switches == 0
    scores = every.scores()
    assert scores["ours"].hota > 0.98
    assert scores["ours"].switches < scores["overlap alone"].switches


def test_true_segments_are_the_visible_tracks() -> None:
    track_map = np.zeros((6, 8), np.uint16)
    track_map[1:3, 2:5], track_map[4:, 6:] = 3, 1
    image = np.zeros((6, 8, 3), np.uint8)
    frame = SceneFrame(0.0, image, track_map, np.array([7, 15, 2]))
    segments = true_segments(frame, np.arange(6, dtype=np.float32).reshape(3, 2))
    assert segments.class_id.tolist() == [7, 2]
    assert segments.box.tolist() == [[6, 4, 8, 6], [2, 1, 5, 3]]
    assert segments.area_px.tolist() == [4, 6]
    assert segments.embedding.tolist() == [[0, 1], [4, 5]]
    np.testing.assert_array_equal(segments.label_map == 2, track_map == 3)


def test_clips_that_cannot_be_made_are_refused(data: VocLayout) -> None:
    with pytest.raises(ConfigError, match="at least 32 pixels"):
        Scenes(dataset=data, ids=data.ids, width=31)
    with pytest.raises(ConfigError, match="at least 2 frames"):
        Scenes(dataset=data, ids=data.ids, frames=1)

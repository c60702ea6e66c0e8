from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pycocotools import mask as coco_mask
from scene_results import HEIGHT, WIDTH, make_result

from streamseg.formats.youtube_vis import CATEGORIES, YouTubeVisWriter

SCENES = (("car-1", "person-2"), ("person-2",), (), ("car-1", "motorbike-3", "sofa-4"))


def write(path: Path, video_id: int = 1) -> list[dict[str, Any]]:
    with YouTubeVisWriter(path, video_id=video_id) as writer:
        for index, names in enumerate(SCENES):
            writer.write(make_result(index, names, scores=[0.5 + 0.1 * index] * len(names)))
    tracks: list[dict[str, Any]] = json.loads(path.read_text())
    return tracks


def test_a_track_has_a_mask_or_null_for_every_frame_and_its_mean_score(tmp_path: Path) -> None:
    tracks = write(tmp_path / "results.json")
    assert [track["category_id"] for track in tracks] == [5, 26, 23]
    seen = [[mask is not None for mask in track["segmentations"]] for track in tracks]
    assert seen == [
        [True, False, False, True],
        [True, True, False, False],
        [False, False, False, True],
    ]
    assert [track["score"] for track in tracks] == [0.65, 0.55, 0.8]


def test_frames_that_were_dropped_are_null(tmp_path: Path) -> None:
    with YouTubeVisWriter(tmp_path / "results.json") as writer:
        writer.write(make_result(1, ["dog-1"]))
        writer.write(make_result(4, ["dog-1"]))
    (track,) = json.loads((tmp_path / "results.json").read_text())
    assert [mask is not None for mask in track["segmentations"]] == [
        False,
        True,
        False,
        False,
        True,
    ]


def test_a_track_has_the_class_of_its_last_frame(tmp_path: Path) -> None:
    with YouTubeVisWriter(tmp_path / "results.json") as writer:
        for index, name in enumerate(["motorbike-1", "car-1"]):
            writer.write(make_result(index, [name]))
    (track,) = json.loads((tmp_path / "results.json").read_text())
    assert track["category_id"] == CATEGORIES["car"]


def uncompressed(mask: NDArray[np.bool_]) -> dict[str, Any]:
    flat = np.concatenate([[False], mask.ravel(order="F"), [True]])
    changes = np.flatnonzero(flat[1:] != flat[:-1])
    counts = np.diff(np.concatenate([[0], changes, [mask.size]]))
    return {"size": list(mask.shape), "counts": counts.tolist()}


def write_ground_truth(folder: Path) -> None:
    annotations: dict[int, dict[str, Any]] = {}
    for index, names in enumerate(SCENES):
        for instance in make_result(index, names).instances:
            if instance.class_name not in CATEGORIES:
                continue
            annotation = annotations.setdefault(
                instance.track_id,
                {
                    "id": instance.track_id,
                    "video_id": 7,
                    "category_id": CATEGORIES[instance.class_name],
                    "segmentations": [None] * len(SCENES),
                    "areas": [None] * len(SCENES),
                    "iscrowd": 0,
                    "height": HEIGHT,
                    "width": WIDTH,
                },
            )
            annotation["segmentations"][index] = uncompressed(instance.mask)
            annotation["areas"][index] = instance.area_px
    video = {"id": 7, "file_names": [f"video/{index:05d}.jpg" for index in range(len(SCENES))]}
    names_of_category = [{"id": id_, "name": name} for name, id_ in CATEGORIES.items()]
    folder.mkdir(parents=True)
    (folder / "instances.json").write_text(
        json.dumps(
            {
                "videos": [video],
                "categories": names_of_category,
                "annotations": list(annotations.values()),
            }
        )
    )


def test_trackeval_finds_every_track(tmp_path: Path) -> None:
    trackeval = pytest.importorskip("trackeval")
    write_ground_truth(tmp_path / "gt" / "youtube_vis_val")
    results = tmp_path / "trackers" / "youtube_vis_val" / "streamseg" / "data"
    results.mkdir(parents=True)
    write(results / "results.json", video_id=7)
    config: dict[str, Any] = {
        "GT_FOLDER": f"{tmp_path}/gt/",
        "TRACKERS_FOLDER": f"{tmp_path}/trackers/",
        "SPLIT_TO_EVAL": "val",
        "CLASSES_TO_EVAL": ["car", "person", "motorbike"],
        "PRINT_CONFIG": False,
    }
    dataset = trackeval.datasets.YouTubeVIS(config)
    raw = dataset.get_raw_seq_data("streamseg", "video")
    precision = trackeval.metrics.TrackMAP({"USE_TIME_RANGES": False, "PRINT_CONFIG": False})
    for name in config["CLASSES_TO_EVAL"]:
        data = dataset.get_preprocessed_seq_data(raw, name)
        found = precision.combine_sequences({"video": precision.eval_sequence(data)})
        assert found["AP_all"].min() == pytest.approx(1)


def test_masks_survive(tmp_path: Path) -> None:
    track = write(tmp_path / "results.json")[1]
    assert coco_mask.area(track["segmentations"][1]) == 100
    assert coco_mask.toBbox(track["segmentations"][1]).tolist() == [1, 1, 10, 10]


def test_category_ids_are_those_of_2021() -> None:
    expected = {"airplane": 1, "car": 5, "flying_disc": 14, "person": 26, "zebra": 40}
    assert {name: CATEGORIES[name] for name in expected} == expected
    assert len(CATEGORIES) == 40


def test_an_exception_leaves_a_complete_file(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    with pytest.raises(KeyboardInterrupt), YouTubeVisWriter(path) as writer:
        writer.write(make_result(0, ["car-1"]))
        raise KeyboardInterrupt
    assert len(json.loads(path.read_text())) == 1

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamseg.config import SIZE_MULTIPLE, ModelConfig
from streamseg.errors import ConfigError, InputError

SIDES = st.integers(1, 5000)


def distortion(size: tuple[int, int], width: int, height: int) -> float:
    ratio = size[0] * height / (size[1] * width)
    return max(ratio, 1 / ratio)


@given(SIDES, SIDES, st.integers(SIZE_MULTIPLE**2, 640 * 384))
@settings(max_examples=60, deadline=None)
def test_input_size_is_in_multiples_of_32_within_the_budget_and_nothing_beats_it(
    width: int, height: int, max_pixels: int
) -> None:
    chosen = ModelConfig(max_pixels=max_pixels).input_size(width, height)
    assert all(side >= SIZE_MULTIPLE and side % SIZE_MULTIPLE == 0 for side in chosen)
    assert chosen[0] * chosen[1] <= max_pixels
    most = max_pixels // SIZE_MULTIPLE**2
    for columns in range(1, most + 1):
        rows = most // columns
        other = columns * SIZE_MULTIPLE, rows * SIZE_MULTIPLE
        if other[0] * other[1] > chosen[0] * chosen[1]:
            assert distortion(other, width, height) > distortion(chosen, width, height)


@given(st.integers(240, 2160), st.floats(1 / 3, 3))
@settings(max_examples=60, deadline=None)
def test_aspects_are_kept_as_well_as_is_promised(height: int, aspect: float) -> None:
    width = round(height * aspect)
    config = ModelConfig()
    most = config.max_pixels // SIZE_MULTIPLE**2
    least = min(
        distortion((columns, rows), width, height)
        for columns in range(1, most + 1)
        for rows in range(1, most // columns + 1)
    )
    # within five percent, or two more than the best size has: common aspects always nearly so
    kept = distortion(config.input_size(width, height), width, height)
    assert kept <= max(1.05, 1.02 * least) <= 1.065


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ((1920, 1080), (640, 352)),
        ((720, 1280), (352, 640)),
        ((640, 480), (576, 416)),
        ((333, 500), (384, 576)),
        ((1, 1), (480, 480)),
        ((5000, 1), (7680, 32)),
        ((1, 5000), (32, 7680)),
    ],
)
def test_input_sizes_stay_what_they_are(image: tuple[int, int], expected: tuple[int, int]) -> None:
    assert ModelConfig(max_pixels=640 * 384).input_size(*image) == expected


def test_the_smallest_budget_leaves_one_size_for_all_images() -> None:
    config = ModelConfig(max_pixels=SIZE_MULTIPLE**2)
    assert config.input_size(4000, 3) == config.input_size(5, 9) == (32, 32)


@pytest.mark.timing
def test_asking_again_costs_next_to_nothing_for_it_is_done_every_frame() -> None:
    config = ModelConfig()
    config.input_size(1281, 719)
    started = time.process_time()
    for _ in range(1000):
        config.input_size(1281, 719)
    assert time.process_time() - started < 1000 * 1e-4


@pytest.mark.parametrize(("width", "height"), [(0, 10), (10, 0), (-1, 10)])
def test_an_image_without_pixels_has_no_input_size(width: int, height: int) -> None:
    with pytest.raises(InputError, match="at least one pixel"):
        ModelConfig().input_size(width, height)


@pytest.mark.parametrize(
    "config",
    [ModelConfig(), ModelConfig(trunk="resnet18", taus=(0.5,), class_names=("nut", "bolt"))],
)
def test_json_gives_back_the_same_config(config: ModelConfig) -> None:
    assert ModelConfig.from_json(config.to_json()) == config


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense", "not JSON"),
        ("[1]", "must be a JSON object"),
        ('{"colour": 1, "alpha": 2}', "unknown keys: alpha, colour"),
        ('{"trnk": "lite"}', r"unknown keys: trnk \(did you mean trunk\?\)"),
        ('{"embedding_dim": "many"}', "embedding_dim must be a whole number, got 'many'"),
        ('{"embedding_dim": true}', "embedding_dim must be a whole number, got True"),
        ('{"embedding_dim": 32.0}', "embedding_dim must be a whole number"),
        ('{"coordinate_scale_px": "far"}', "coordinate_scale_px must be a number, got 'far'"),
        ('{"taus": [0.5, "high"]}', "taus must be a number, got 'high'"),
        ('{"pixel_mean": [1, 2]}', "pixel_mean must be a list of 3"),
        ('{"trunk": 3}', "trunk must be text"),
        ('{"taus": null}', "taus"),
        ('{"class_names": "cat"}', "class_names"),
    ],
)
def test_json_that_is_no_config_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ModelConfig.from_json(text)


@pytest.mark.parametrize(
    "bad",
    [
        {"embedding_dim": 0},
        {"neck_channels": 0},
        {"head_channels": -1},
        {"stride": 8},
        {"taus": ()},
        {"taus": (0.5, 1.0)},
        {"taus": (0.0, 0.5)},
        {"taus": (0.75, 0.5)},
        {"taus": (0.5, 0.5)},
        {"taus": (float("nan"),)},
        {"class_names": ()},
        {"class_names": ("potted plant", "Potted_Plant")},
        {"class_names": [f"class {k}" for k in range(1001)]},
        {"score_thresholds": (0.5,)},
        {"score_thresholds": (0.5, 1.1), "class_names": ("nut", "bolt")},
        {"score_thresholds": (float("nan"),), "class_names": ("nut",)},
        {"pixel_mean": (1.0, 2.0)},
        {"pixel_std": (1.0, 0.0, 1.0)},
        {"pixel_std": (1.0, float("inf"), 1.0)},
        {"coordinate_scale_px": 0.0},
        {"max_pixels": 1023},
    ],
    ids=json.dumps,
)
def test_values_out_of_range_name_their_field(bad: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(bad))):
        ModelConfig(**bad)


def test_thresholds_go_with_the_classes_that_are_selected() -> None:
    config = ModelConfig(class_names=("nut", "bolt", "screw"), score_thresholds=(0.2, 0.4, 1))
    selected, rows = config.select(["screw", "nut"])
    assert rows == [2, 0]
    assert selected.class_names == ("screw", "nut")
    assert selected.score_thresholds == (1, 0.2)
    assert config.select(None) == (config, [0, 1, 2])
    assert ModelConfig().select("voc")[0].score_thresholds == ()
    assert ModelConfig.from_json(config.to_json()) == config

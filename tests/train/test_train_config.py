from __future__ import annotations

import json
from typing import Any

import pytest

from streamseg.errors import ConfigError
from streamseg.train.config import TrainConfig


def test_json_gives_back_the_same_config() -> None:
    config = TrainConfig(steps=7, scale_range=(0.5, 2.0), seed=3)
    assert TrainConfig.from_json(config.to_json()) == config


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("steps=3", "not JSON"),
        ("3", "must be a JSON object"),
        ('{"epochs": 3}', "unknown keys: epochs"),
        ('{"steps": "many"}', "steps must be a whole number, got 'many'"),
    ],
)
def test_json_that_is_no_config_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TrainConfig.from_json(text)


@pytest.mark.parametrize(
    "bad",
    [
        {"steps": 0},
        {"batch_size": 0},
        {"points_per_instance": 0},
        {"min_instance_px": 0},
        {"points_in_background": -1},
        {"checkpoint_every": 0},
        {"crop_sizes": (64, 0)},
        {"crop_sizes": (100,)},
        {"seed": -1},
        {"scale_range": (0.0, 1.0)},
        {"scale_range": (1.5, 0.7)},
        {"scale_range": (1.0,)},
        {"colour_jitter": -0.1},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"trunk_learning_rate": -1.0},
        {"warmup": 0.0},
        {"decay": 0.0},
        {"clip_norm": 0.0},
        {"class_weight": -1.0},
        {"semantic_weight": -1.0},
        {"class_weight_full": 0.05},
        {"device": "gpu"},
        {"mixed_precision": "fp16"},
        {"ema_decay": 1.0},
        {"mask_weight": -1.0},
        {"balance": -0.5},
        {"trunk_start": -0.1},
        {"crop_sizes": ()},
    ],
    ids=json.dumps,
)
def test_values_out_of_range_name_their_field(bad: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(bad))):
        TrainConfig(**bad)


def test_the_learning_rate_rises_stays_and_falls() -> None:
    config = TrainConfig(steps=100, warmup=0.1, decay=0.5)
    factors = [config.learning_rate_factor(step) for step in range(100)]
    assert factors[:10] == pytest.approx([0.1 * step for step in range(1, 11)])
    assert factors[9:51] == [1.0] * 42
    assert factors[50:] == sorted(factors[50:], reverse=True)
    assert factors[-1] == pytest.approx(0.02)


def test_lambda_is_zero_at_first_and_rises_to_its_full_value() -> None:
    config = TrainConfig(steps=100, class_weight=0.2, class_weight_start=0.1, class_weight_full=0.3)
    assert [config.class_weight_at(step) for step in (0, 10, 20, 30, 99)] == pytest.approx(
        [0, 0, 0.1, 0.2, 0.2]
    )

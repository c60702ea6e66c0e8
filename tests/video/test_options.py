from __future__ import annotations

from typing import Any

import pytest

from streamseg.errors import ConfigError
from streamseg.video.containers import _camera_options
from streamseg.video.options import SourceOptions


@pytest.mark.parametrize(
    "wrong",
    [
        {"timeout_seconds": 0},
        {"timeout_seconds": float("nan")},
        {"first_delay_seconds": -1},
        {"retries": -1},
        {"threads": 0},
        {"transport": "pigeon"},
        {"size": (0, 4)},
        {"rate": 0},
    ],
)
def test_values_out_of_range_are_named(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(ConfigError, match=rf"{name} must be .*, got"):
        SourceOptions(**wrong)


def test_a_cameras_size_rate_and_pixel_format_in_ffmpegs_words() -> None:
    options = SourceOptions(size=(1280, 720), rate=29.97, pixel_format="yuyv422")
    assert _camera_options(options) == {
        "video_size": "1280x720",
        "framerate": "29.97",
        "input_format": "yuyv422",
    }

from __future__ import annotations

import numpy as np
import pytest

from streamseg.errors import InputError
from streamseg.video.source import open_source


def test_the_address_says_size_rate_and_length() -> None:
    source = open_source("test-pattern:320x180@10?frames=5")
    frames = list(source)
    assert (source.width, source.height, source.frame_count) == (320, 180, 5)
    assert source.average_rate == 10
    assert source.duration_seconds == pytest.approx(0.5)
    assert [frame.pts_seconds for frame in frames] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    assert frames[0].image.shape == (180, 320, 3)
    assert frames[0].image.flags.c_contiguous


def test_each_part_of_the_address_can_be_left_out() -> None:
    source = open_source("test-pattern:")
    assert (source.width, source.height, source.frame_count) == (640, 360, 250)
    assert open_source("test-pattern:?frames=7").frame_count == 7
    assert open_source("test-pattern:@5").average_rate == 5


def test_it_moves_and_is_the_same_in_every_run() -> None:
    first, second = (
        [frame.image for frame in open_source("test-pattern:?frames=3")] for _ in range(2)
    )
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert not np.array_equal(first[0], first[2])


@pytest.mark.parametrize(("width", "height"), [(1, 1), (7, 5), (641, 353)])
def test_it_is_drawn_at_any_size(width: int, height: int) -> None:
    frame = next(open_source("test-pattern:"))
    assert frame.render(width, height).shape == (height, width, 3)


@pytest.mark.parametrize(
    "address",
    [
        "test-pattern:big",
        "test-pattern:0x10",
        "test-pattern:?frames=0",
        "test-pattern:8x",
        "test-pattern:99999x99999",
        "test-pattern:@10000",
        "test-pattern:?frames=" + "9" * 400,
    ],
)
def test_malformed_addresses_are_explained(address: str) -> None:
    with pytest.raises(InputError, match=r"test-pattern:640x360@25\?frames=100, got"):
        open_source(address)

from __future__ import annotations

import numpy as np
import pytest

from streamseg.drawing.false_colours import embedding_colours, heat, random_colours


def test_embedding_colours_show_groups() -> None:
    rng = np.random.default_rng(0)
    group = np.zeros((20, 30), int)
    group[:, 10:20], group[:, 20:] = 1, 2
    centres = 4 * rng.normal(size=(16, 3))
    embeddings = centres[:, group] + 0.01 * rng.normal(size=(16, 20, 30))
    colours = embedding_colours(embeddings.astype(np.float32))
    assert colours.shape == (20, 30, 3)
    assert colours.dtype == np.uint8
    means = [colours[group == k].reshape(-1, 3).mean(axis=0) for k in range(3)]
    for k in range(3):
        assert np.abs(means[k] - means[k - 1]).max() > 100


@pytest.mark.parametrize("depth", [1, 2, 8])
def test_embedding_colours_of_few_or_constant_dimensions(depth: int) -> None:
    colours = embedding_colours(np.ones((depth, 4, 5), np.float32))
    assert colours.shape == (4, 5, 3)
    assert (colours == colours[0, 0]).all()


def test_heat_grows_brighter_and_cuts_off() -> None:
    ramp = heat(np.linspace(0, 1, 50, dtype=np.float32)[None])[0]
    assert (np.diff(ramp @ np.array([0.2126, 0.7152, 0.0722])) > 0).all()
    assert (heat(np.array([[-1, 0, 1, 2]], np.float32))[0, [0, 3]] == ramp[[0, -1]]).all()


def test_random_colours_keep_alike_what_is_alike_and_do_not_change_with_the_image() -> None:
    rng = np.random.default_rng(3)
    embeddings = rng.standard_normal((16, 4, 6)).astype(np.float32)
    embeddings[:, 0, 0] = embeddings[:, 3, 5]
    image = random_colours(embeddings)
    assert image.shape == (4, 6, 3)
    assert image.dtype == np.uint8
    assert image[0, 0].tolist() == image[3, 5].tolist()
    assert (image.reshape(-1, 3).min(axis=0) < 10).all()
    assert (image.reshape(-1, 3).max(axis=0) > 245).all()
    shuffled = rng.permutation(6)
    assert np.array_equal(random_colours(embeddings[:, :, shuffled]), image[:, shuffled])


@pytest.mark.parametrize("depth", [1, 2])
def test_random_colours_of_few_dimensions_leave_channels_dark(depth: int) -> None:
    embeddings = np.random.default_rng(0).standard_normal((depth, 3, 3)).astype(np.float32)
    image = random_colours(embeddings)
    assert not image[..., depth:].any()
    assert image[..., :depth].any()

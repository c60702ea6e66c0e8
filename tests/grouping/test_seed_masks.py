import numpy as np
import pytest

from streamseg.errors import InputError
from streamseg.grouping.proposals import seed_masks
from streamseg.kernels import label_pixels


@pytest.mark.parametrize(("height", "width"), [(37, 53), (9, 7), (4, 3), (1, 1)])
def test_a_mask_is_what_label_pixels_paints_for_its_seed_alone(height: int, width: int) -> None:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:9, :13]
    embeddings = np.stack([y / 4, x / 4, rng.random((9, 13)) / 3]).astype(np.float32)
    seeds = np.array([0, 40, 77, 116], np.int32)
    tau = np.array([0.25, 0.5, 0.75, 0.9], np.float32)
    masks = seed_masks(embeddings, seeds, tau, height=height, width=width)
    assert masks.shape == (4, height, width)
    for k in range(4):
        one = slice(k, k + 1)
        alone = label_pixels(embeddings, seeds[one], tau[one], height=height, width=width)
        assert np.array_equal(masks[k], alone.label_map == 1)
    if height * width > 1000:
        assert 0 < masks.mean() < 1


def test_masks_overlap() -> None:
    embeddings = np.zeros((2, 3, 4), np.float32)
    both = np.array([0, 11], np.int32), np.array([0.5, 0.5], np.float32)
    assert seed_masks(embeddings, *both, height=6, width=8).all()


def test_no_seed_and_a_network_gone_mad() -> None:
    nothing = np.zeros(0, np.int32), np.zeros(0, np.float32)
    embeddings = np.zeros((2, 3, 4), np.float32)
    assert seed_masks(embeddings, *nothing, height=6, width=8).shape == (0, 6, 8)
    embeddings[0, 0, 0] = np.inf
    with pytest.raises(InputError, match="finite"):
        seed_masks(embeddings, *nothing, height=6, width=8)

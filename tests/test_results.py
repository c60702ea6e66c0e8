import numpy as np
import pytest
from scene_results import make_result
from scipy.special import expit

from streamseg.results import NetworkOutput


def output(foreground: np.ndarray, classes: np.ndarray) -> NetworkOutput:
    embeddings = np.zeros((1, *foreground.shape[1:]), np.float32)
    return NetworkOutput(embeddings, foreground.astype(np.float32), classes.astype(np.float32))


@pytest.mark.parametrize(("height", "width"), [(1, 1), (4, 6), (3, 5), (5, 4)])
def test_a_class_has_its_share_of_the_foreground_and_background_the_rest(
    height: int, width: int
) -> None:
    rng = np.random.default_rng(0)
    foreground = rng.normal(0, 2, (4, height, width))
    classes = rng.dirichlet(np.ones(4), ((height + 1) // 2, (width + 1) // 2))
    classes = np.moveaxis(classes, -1, 0)[1:]  # the model knows one more than was asked for
    distribution = output(foreground, classes).distribution()
    assert distribution.dtype == np.float32
    assert distribution.shape == (4, 4, height, width)
    for tau, y, x in np.ndindex(4, height, width):
        of_class = expit(foreground[tau, y, x]) * classes[:, y // 2, x // 2]
        assert distribution[tau, 1:, y, x] == pytest.approx(of_class, abs=1e-6)
        assert distribution[tau, 0, y, x] == pytest.approx(1 - of_class.sum(), abs=1e-6)


def test_extreme_foreground_neither_overflows_nor_warns() -> None:
    extreme = output(np.array([[[-1e4, 0, 1e4, 1e4]]]), np.array([[[0.5, 0.75]], [[0.5, 0]]]))
    assert extreme.distribution()[0, :, 0].T.tolist() == [
        [1, 0, 0],
        [0.5, 0.25, 0.25],
        [0.25, 0.75, 0],
        [0.25, 0.75, 0],
    ]


def test_a_result_shows_shapes_and_no_pixels() -> None:
    result = make_result(2, ["car-1", "dog-3"])
    assert repr(result) == (
        "FrameResult(source='', index=2, pts_seconds=0.080, instances=(car-1, dog-3), dropped=0, "
        "latency_ms=0.0, label_map=uint16 [48, 64])"
    )
    assert repr(result.instances[0]) == (
        "Instance(name='car-1', score=0.90, box=(2, 1, 12, 11), area_px=100, is_confirmed=True, "
        "mask=bool [48, 64])"
    )

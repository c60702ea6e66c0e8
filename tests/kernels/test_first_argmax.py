import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from streamseg.kernels.first_argmax import first_argmax


@settings(deadline=None)
@given(
    arrays(
        np.float32,
        array_shapes(min_dims=2, max_dims=2, max_side=9),
        elements=st.sampled_from([-1.0, -0.0, 0.0, 2.5]),
    )
)
def test_it_is_numpy_s_argmax(stack: np.ndarray) -> None:
    maximum, index = first_argmax(stack)
    np.testing.assert_array_equal(maximum, stack.max(axis=0))
    np.testing.assert_array_equal(index, stack.argmax(axis=0))


@pytest.mark.parametrize("rows", [254, 255, 256, 257, 65535])
def test_the_index_fits_its_type(rows: int) -> None:
    stack = np.eye(rows, 3, k=-(rows - 3), dtype=np.float32)
    assert first_argmax(stack)[1].tolist() == [rows - 3, rows - 2, rows - 1]

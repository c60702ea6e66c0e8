import struct

import numpy as np
import pytest
from fake_cuda.cubin_file import cubin_file

from streamseg.errors import InputError, ModelError
from streamseg.release.cubin import KernelParameters, read_cubin
from streamseg.release.kernel_arguments import Argument, Signature

EVERY_TYPE = {
    "*u8": (1 << 63, "Q"),
    "i1": (True, "?"),
    "i8": (-128, "b"),
    "u8": (255, "B"),
    "i16": (-(1 << 15), "h"),
    "u16": (65535, "H"),
    "fp32": (0.1, "f"),
    "i32": (-(1 << 31), "i"),
    "u32": ((1 << 32) - 1, "I"),
    "fp64": (0.1, "d"),
    "i64": (-1, "q"),
    "u64": ((1 << 64) - 1, "Q"),
}


def kernel(*sizes: int) -> KernelParameters:
    return read_cubin(cubin_file({"kernel": sizes})).kernels["kernel"]


def test_every_type_is_packed_as_c_would() -> None:
    sizes = [struct.calcsize(form) for _, form in EVERY_TYPE.values()]
    arguments = [Argument(f"a_{kind}", kind) for kind in EVERY_TYPE]
    packed = Signature(kernel(*sizes), arguments).pack(*(value for value, _ in EVERY_TYPE.values()))
    for (value, form), parameter in zip(
        EVERY_TYPE.values(), kernel(*sizes).parameters, strict=True
    ):
        (found,) = struct.unpack_from(form, packed, parameter.offset)
        assert found == pytest.approx(value, rel=1e-7)
        assert parameter.offset % parameter.size == 0


@pytest.mark.parametrize("scratch", [0, 1, 2])
def test_pointers_to_scratch_memory_are_null(scratch: int) -> None:
    signature = Signature(kernel(4, *[8] * scratch), [Argument("n", "i32")])
    padding = bytes(4) if scratch else b""
    assert signature.pack(7) == struct.pack("<i", 7) + padding + bytes(8 * scratch)


def test_a_whole_number_may_stand_for_a_float_and_numpy_for_python() -> None:
    signature = Signature(kernel(4, 4), [Argument("alpha", "fp32"), Argument("n", "i32")])
    assert signature.pack(1, np.int64(3)) == signature.pack(np.float32(1), 3)
    assert signature.pack(1, 3)[:4] == struct.pack("<f", 1.0)


@pytest.mark.parametrize(
    ("kind", "value"), [("i32", 2.0), ("i32", 1 << 31), ("u8", -1), ("fp32", 1e39), ("*u8", None)]
)
def test_a_value_that_does_not_fit_is_named(kind: str, value: float) -> None:
    size = {"i32": 4, "u8": 1, "fp32": 4, "*u8": 8}[kind]
    signature = Signature(kernel(size), [Argument("pixels", kind)])
    with pytest.raises(InputError) as caught:
        signature.pack(value)
    assert str(caught.value) == f"kernel kernel: pixels must be of type {kind}, got {value!r}"


def test_promises_made_to_the_compiler_are_held() -> None:
    signature = Signature(
        kernel(8, 4), [Argument("x", "*fp16", divisible_by_16=True), Argument("n", "i32")]
    )
    assert signature.pack(4096 + 16, 3)
    with pytest.raises(InputError, match="x must be a multiple of 16, got 4104"):
        signature.pack(4096 + 8, 3)


def test_the_number_of_values_is_checked() -> None:
    signature = Signature(kernel(8, 4), [Argument("x", "*fp16"), Argument("n", "i32")])
    with pytest.raises(InputError, match="takes 2 arguments, got 3"):
        signature.pack(1, 2, 3)


@pytest.mark.parametrize(
    ("sizes", "types"),
    [
        ((8, 4), ("*u8", "i64")),
        ((8, 4), ("*u8",)),
        ((8, 4), ("*u8", "i32", "i32")),
        ((8, 8, 8, 8), ("*u8",)),
        ((4, 4), ("i16", "i32")),
    ],
)
def test_a_manifest_that_contradicts_the_cubin_is_refused(
    sizes: tuple[int, ...], types: tuple[str, ...]
) -> None:
    with pytest.raises(ModelError, match="its cubin takes"):
        Signature(kernel(*sizes), [Argument(f"a{i}", kind) for i, kind in enumerate(types)])


def test_an_unknown_type_is_refused() -> None:
    with pytest.raises(ModelError, match="argument x is of type 'fp8'; allowed are pointers, i1"):
        Signature(kernel(1), [Argument("x", "fp8")])

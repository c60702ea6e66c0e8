"""Python values → the bytes that a Triton kernel compiled ahead of time takes as arguments."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from streamseg.errors import InputError, ModelError
from streamseg.release.cubin import KernelParameters, Parameter
from streamseg.release.manifest import KernelFile

_FORMATS = {
    "i1": "?",
    "i8": "b",
    "u8": "B",
    "i16": "h",
    "u16": "H",
    "i32": "i",
    "u32": "I",
    "i64": "q",
    "u64": "Q",
    "fp32": "f",
    "fp64": "d",
}
_POINTER = "Q"
MOST_SCRATCH_POINTERS = 2
"""Triton adds pointers to scratch memory behind the arguments: two, in older releases fewer."""


@dataclass(frozen=True)
class Argument:
    """An argument of a kernel, without those fixed when it was compiled."""

    name: str
    type: str
    """As in Triton's signatures: ``*fp16``, ``i32``, ``fp32``."""
    divisible_by_16: bool = False
    """Promised when the kernel was compiled; an address or number for which it does not hold makes
    the kernel fail or compute nonsense."""


class Signature:
    """The arguments of one kernel, in agreement with its cubin."""

    def __init__(self, kernel: KernelParameters, arguments: Sequence[Argument]) -> None:
        """Compare the arguments with the cubin's own table.

        Args:
            kernel: what the cubin says.
            arguments: in order, without the pointers to scratch memory that Triton adds.

        Raises:
            ModelError: the cubin's kernel takes other arguments, or a type is unknown.
        """
        self.kernel = kernel
        self.arguments = tuple(arguments)
        extra = len(kernel.parameters) - len(self.arguments)
        formats = [_format(argument) for argument in self.arguments] + [_POINTER] * extra
        packed, end = [], 0
        for form in formats:
            size = struct.calcsize(form)
            offset = -(-end // size) * size
            packed.append(Parameter(offset, size))
            end = offset + size
        if not 0 <= extra <= MOST_SCRATCH_POINTERS or tuple(packed) != kernel.parameters:
            types = ", ".join(argument.type for argument in self.arguments)
            table = ", ".join(f"{p.size} bytes at {p.offset}" for p in kernel.parameters)
            raise ModelError(
                f"kernel {kernel.name}: its cubin takes {table}, which is not ({types}) and up to "
                f"{MOST_SCRATCH_POINTERS} pointers to scratch memory"
            )
        self._scratch = (0,) * extra
        self._struct = struct.Struct("@" + "".join(formats))

    def pack(self, *values: int | float) -> bytes:
        """Bytes for ``Function.launch``; pointers to scratch memory are null.

        Args:
            values: one for each argument; addresses for pointers.

        Raises:
            InputError: not as many values as arguments, one does not fit its type, or a promise
                does not hold.
        """
        if len(values) != len(self.arguments):
            raise InputError(
                f"kernel {self.kernel.name} takes {len(self.arguments)} arguments, "
                f"got {len(values)}"
            )
        for argument, value in zip(self.arguments, values, strict=True):
            try:
                struct.pack("=" + _format(argument), value)  # "@" lets floats overflow
            except (struct.error, OverflowError):
                raise self._error(argument, f"of type {argument.type}", value) from None
            if argument.divisible_by_16 and value % 16:
                raise self._error(argument, "a multiple of 16", value)
        return self._struct.pack(*values, *self._scratch)

    def _error(self, argument: Argument, wanted: str, value: object) -> InputError:
        return InputError(
            f"kernel {self.kernel.name}: {argument.name} must be {wanted}, got {value!r}"
        )


def kernel_arguments(file: KernelFile) -> list[Argument]:
    """The arguments of a kernel as they are packed, with what was promised of them."""
    return [
        Argument(name, kind, kind.startswith("*") or name in file.known)
        for name, kind in file.arguments.items()
    ]


def _format(argument: Argument) -> str:
    if argument.type.startswith("*"):
        return _POINTER
    if argument.type not in _FORMATS:
        raise ModelError(
            f"argument {argument.name} is of type {argument.type!r}; "
            f"allowed are pointers, {', '.join(_FORMATS)}"
        )
    return _FORMATS[argument.type]

"""Python values → the bytes of the arguments of a Triton kernel compiled ahead of time."""

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
"""Triton adds pointers to scratch memory after the arguments: two, or fewer in older releases."""


@dataclass(frozen=True)
class Argument:
    """An argument of a kernel that was not fixed at compile time."""

    name: str
    type: str
    """As in Triton's signatures: ``*fp16``, ``i32``, ``fp32``."""
    divisible_by_16: bool = False
    """Assumed at compile time; with any other address or value the kernel fails or gives wrong
    results."""


class Signature:
    """The arguments of one kernel, checked against its cubin."""

    def __init__(self, kernel: KernelParameters, arguments: Sequence[Argument]) -> None:
        """Compare the arguments with the cubin's table.

        Args:
            kernel: the cubin's metadata.
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
        """Pack values for ``Function.launch``; pointers to scratch memory are null.

        Args:
            values: one for each argument; addresses for pointers.

        Raises:
            InputError: the number of values is wrong, one does not fit its type, or is not a
                multiple of 16 as required.
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
    """List the arguments of a kernel as they are packed, with their alignment."""
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

"""Read a cubin's metadata: its GPU, and the parameters of its kernels.

A cubin is an ELF file. The section ``.nv.info.<kernel>`` holds the offset and size of every
parameter, so that packing arguments does not depend on a manifest alone. Needs no CUDA.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from streamseg.errors import ModelError

CUDA_MACHINE = 190
"""e_machine of the ELF header."""
NO_BYTES = 8
"""Type of a section without content in the file."""
INFO_PREFIX = ".nv.info."

PARAMETER_INFO = 0x17
PARAMETER_BYTES = 0x19
REQUIRED_THREADS = 0x10
"""Attributes of a record in ``.nv.info.<kernel>``."""
SIZED_RECORD = 4
"""Format of a record with a payload; every other has a 16-bit value in its place."""


@dataclass(frozen=True)
class Parameter:
    """Where an argument lies in a kernel's buffer of parameters, in bytes."""

    offset: int
    size: int


@dataclass(frozen=True)
class KernelParameters:
    """Launch parameters of a kernel."""

    name: str
    parameters: tuple[Parameter, ...]
    size_bytes: int
    """Of all parameters."""
    threads: tuple[int, int, int] | None
    """Threads of a block, as compiled; None if any number is allowed."""


@dataclass(frozen=True)
class Cubin:
    """Metadata of a cubin."""

    architecture: int
    """87 for sm_87."""
    abi_version: int
    """7: readable by CUDA 12; 8: by CUDA 13, or by CUDA 12.8 for sm_100 and up."""
    toolkit: tuple[int, int] | None
    """CUDA version of the ptxas that wrote it; unknown for an ABI of 8."""
    kernels: dict[str, KernelParameters]
    """By name."""


def read_cubin(data: bytes) -> Cubin:
    """Read the metadata of a cubin.

    Args:
        data: the whole file.

    Raises:
        ModelError: this is not a cubin, or a broken one, or its kind is unknown.
    """
    try:
        return _read(data)
    except (struct.error, IndexError, OverflowError, UnicodeDecodeError) as error:
        raise ModelError(f"a broken cubin ({len(data)} bytes): {error}") from None


def _read(data: bytes) -> Cubin:
    if data[:6] != b"\x7fELF\x02\x01" or struct.unpack_from("<H", data, 18)[0] != CUDA_MACHINE:
        raise ModelError(f"not a cubin: begins with {data[:6]!r}")
    abi_version = data[8]
    written_by, flags = struct.unpack_from("<I", data, 20)[0], struct.unpack_from("<I", data, 48)[0]
    toolkit = None
    if abi_version == 7:
        architecture, toolkit = flags & 0xFF, divmod(written_by, 10)
    elif abi_version == 8:
        architecture = flags >> 8 & 0xFF
    else:
        raise ModelError(f"a cubin with ABI version {abi_version}; 7 and 8 are known")
    kernels = {
        name[len(INFO_PREFIX) :]: _kernel(name[len(INFO_PREFIX) :], content)
        for name, content in sections(data)
        if name.startswith(INFO_PREFIX)
    }
    if not kernels:
        raise ModelError("a cubin without kernels")
    return Cubin(architecture, abi_version, toolkit, kernels)


def sections(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Iterate over the names and contents of all sections."""
    (table,) = struct.unpack_from("<Q", data, 40)
    size, count, names_index = struct.unpack_from("<HHH", data, 58)
    headers = [struct.unpack_from("<IIQQQQIIQQ", data, table + size * i) for i in range(count)]
    contents = [
        b"" if kind == NO_BYTES else _cut(data, offset, length)
        for _, kind, _, _, offset, length, *_ in headers
    ]
    names = contents[names_index]
    for (start, *_), content in zip(headers, contents, strict=True):
        yield names[start:].partition(b"\0")[0].decode(), content


def _cut(data: bytes, offset: int, length: int) -> bytes:
    if offset + length > len(data):
        raise IndexError(f"a section ends at byte {offset + length}")
    return data[offset : offset + length]


def _kernel(name: str, records: bytes) -> KernelParameters:
    found: dict[int, Parameter] = {}
    size_bytes, threads = 0, None
    for attribute, value in _records(records):
        if attribute == PARAMETER_INFO:
            _, ordinal, offset, word = struct.unpack("<IHHI", value)
            found[ordinal] = Parameter(offset, word >> 18)
        elif attribute == PARAMETER_BYTES:
            (size_bytes,) = struct.unpack("<H", value)
        elif attribute == REQUIRED_THREADS:
            threads = struct.unpack("<3I", value)
    parameters = tuple(found[ordinal] for ordinal in sorted(found))
    end = max((p.offset + p.size for p in parameters), default=0)
    if sorted(found) != list(range(len(found))) or end > size_bytes:
        raise ModelError(
            f"a broken cubin: parameters of {name} are {parameters} in {size_bytes} bytes"
        )
    return KernelParameters(name, parameters, size_bytes, threads)


def _records(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Iterate over attributes and their values."""
    at = 0
    while at < len(data):
        form, attribute, length = struct.unpack_from("<BBH", data, at)
        if form == SIZED_RECORD:
            yield attribute, _cut(data, at + 4, length)
            at += 4 + length
        else:
            yield attribute, data[at + 2 : at + 4]
            at += 4

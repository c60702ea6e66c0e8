"""Cubins without code, for tests that need only their tables of parameters."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

EXECUTABLE, CUDA = 2, 190
PROGRAM_DATA, STRINGS = 1, 3
HEADER_BYTES, SECTION_BYTES = 64, 64


def cubin_file(
    kernels: Mapping[str, Sequence[int]],
    *,
    architecture: int = 87,
    threads: int | None = 128,
    abi_version: int = 7,
) -> bytes:
    """An ELF file as ptxas would write it, with nothing but ``.nv.info`` sections.

    Args:
        kernels: sizes of the parameters in bytes, by name; they lie naturally aligned.
        architecture: 87 for sm_87.
        threads: of a block; None leaves it open.
        abi_version: 7 of CUDA 12.6, 8 of CUDA 13.
    """
    contents = [b""] + [_info(sizes, threads) for sizes in kernels.values()]
    section_names = ["", *(f".nv.info.{name}" for name in kernels), ".shstrtab"]
    text = b"".join(name.encode() + b"\0" for name in section_names)
    contents.append(text)
    table, body, at, name_at = b"", b"", HEADER_BYTES, 0
    for name, content in zip(section_names, contents, strict=True):
        kind = STRINGS if name == ".shstrtab" else PROGRAM_DATA if name else 0
        table += struct.pack("<IIQQQQIIQQ", name_at, kind, 0, 0, at, len(content), 0, 0, 1, 0)
        name_at += len(name) + 1
        body += content
        at += len(content)
    flags = architecture if abi_version == 7 else architecture << 8
    written_by = 126 if abi_version == 7 else 1
    header = b"\x7fELF\x02\x01\x01" + bytes((0x33, abi_version)) + bytes(7)
    header += struct.pack("<HHIQQQI", EXECUTABLE, CUDA, written_by, 0, 0, at, flags)
    count = len(section_names)
    header += struct.pack("<HHHHHH", HEADER_BYTES, 0, 0, SECTION_BYTES, count, count - 1)
    return header + body + table


def _info(sizes: Sequence[int], threads: int | None) -> bytes:
    records, end = b"", 0
    for ordinal, size in enumerate(sizes):
        offset = -(-end // size) * size
        end = offset + size
        records += struct.pack("<BBHIHHI", 4, 0x17, 12, 0, ordinal, offset, size << 18 | 0x1FFF)
    records += struct.pack("<BBH", 3, 0x19, end)
    if threads:
        records += struct.pack("<BBH3I", 4, 0x10, 12, threads, 1, 1)
    return records

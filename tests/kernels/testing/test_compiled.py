"""Every kernel compiles for every GPU, without one, and fits it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from streamseg.kernels.ahead_of_time import ARCHITECTURES
from streamseg.kernels.pointers import POINTERS
from streamseg.kernels.testing.compiled import compile_apart

triton = pytest.importorskip("triton")

TABLE = Path(__file__).with_name("compiled.json")
"""Written anew by ``python -m streamseg.kernels.testing.compiled``, into this file."""
SHARED_LIMIT_BYTES = {
    75: 65536,
    80: 166912,
    86: 101376,
    87: 166912,
    89: 101376,
    90: 232448,
    100: 232448,
    110: 232448,
    120: 101376,
}
"""Of a program, by compute capability (CUDA C++ Programming Guide, technical specifications)."""

Row = dict[str, Any]


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return compile_apart(list(ARCHITECTURES))


def test_every_kernel_compiles_for_every_architecture(rows: list[Row]) -> None:
    kernels = {row["kernel"] for row in rows}
    assert {name.partition(",")[0] for name in kernels} == set(POINTERS)
    assert len(rows) == len(kernels) * len(ARCHITECTURES)


def test_nothing_is_spilled_and_shared_memory_fits(rows: list[Row]) -> None:
    for row in rows:
        assert row["spilled_bytes"] == 0, row
        assert row["shared_bytes"] <= SHARED_LIMIT_BYTES[row["sm"]], row


def test_two_programs_that_keep_embeddings_fit_in_a_multiprocessor(rows: list[Row]) -> None:
    resident = [row for row in rows if "in registers" in row["kernel"]]
    assert resident
    for row in resident:
        assert 2 * 128 * row["registers"] <= 65536, row


def test_embeddings_are_loaded_128_bits_at_a_time(rows: list[Row]) -> None:
    for row in rows:
        # in large frames a program has more threads than its embeddings have 16 bytes for
        name = row["kernel"]
        if name.startswith(("group_pixels", "label_pixels")) and "full HD" not in name:
            assert row["loads_128_bit"] > 0, row


def test_the_table_is_up_to_date(rows: list[Row]) -> None:
    table = json.loads(TABLE.read_text())
    if table["triton"] != triton.__version__:
        pytest.skip(f"the table is of Triton {table['triton']}, this is {triton.__version__}")
    assert table["rows"] == rows

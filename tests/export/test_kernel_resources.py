"""Every kernel compiles for every GPU, without one, and fits it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from streamseg.export.kernel_resources import compile_apart, disassemble, resources, variants
from streamseg.kernels.ahead_of_time import ARCHITECTURES
from streamseg.kernels.launch import Launch
from streamseg.kernels.triton_launch import kernel_of

triton = pytest.importorskip("triton")

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
    assert {name.partition(",")[0] for name in kernels} == {
        "decode_scores",
        "group_pixels",
        "choose_seeds",
        "label_pixels",
        "list_instances",
        "relabel",
        "find_runs",
    }
    assert len(rows) == len(kernels) * len(ARCHITECTURES)


@pytest.mark.parametrize("launch", [launch for _, launch in variants()], ids=lambda it: it.kernel)
def test_a_launch_names_all_arguments_of_its_kernel_in_their_order(launch: Launch) -> None:
    assert kernel_of(launch.kernel).arg_names == [
        *launch.pointers,
        *launch.scalars,
        *launch.constants,
    ]


def test_a_name_means_arrays_of_one_type() -> None:
    kinds: dict[str, str] = {}
    for _, launch in variants():
        for name, kind in launch.pointers.items():
            assert kinds.setdefault(name, kind) == kind, name


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


@pytest.mark.parametrize("architecture", [80, 87, 90, 120])
@pytest.mark.parametrize("variant", ["in registers", "in tiles"])
def test_one_thread_offers_arrives_waits_and_reads_in_the_order_of_the_memory_model(
    rows: list[Row], architecture: int, variant: str
) -> None:
    """The argument that this carries is in ``docs/gpu.md``."""
    (order,) = (
        row["memory_order"]
        for row in rows
        if row["sm"] == architecture and row["kernel"] == f"group_pixels, D = 64, {variant}"
    )
    at = next(i for i, instruction in enumerate(order) if ".max." in instruction)
    predicate, offer = order[at].split()
    assert "bar.sync" in order[:at], "what other threads of the program wrote comes before"
    assert offer == "atom.global.gpu.relaxed.max.s64"
    barrier = [
        rf"{predicate} atom\.global\.gpu\.acq_rel\.add\.u32",  # arrives
        r"bar\.sync",
        rf"{predicate} atom\.global\.gpu\.acq_rel\.add\.u32",  # waits, in a loop
        r"bar\.sync",
        r"bar\.sync",
        # reads the best key; which of the two depends on Triton
        rf"{predicate} (ld\.global\.gpu\.acquire\.b64|atom\.global\.gpu\.acquire\.add\.u64)",
        r"bar\.sync",
    ]
    for pattern, found in zip(barrier, order[at + 1 :], strict=False):
        assert re.fullmatch(pattern, found), (found, order[at : at + 10])
    row_of_the_winner = order[at + 1 + len(barrier)]
    assert re.fullmatch(r"(@%p\d+ )?ld\.global(\.v\d)?\.b\d+", row_of_the_winner)
    communication = [one for one in order if re.search(r"atom|red|acquire|relaxed", one)]
    assert len(communication) == 4, "programs share nothing but keys and arrivals"


def test_no_load_is_non_coherent(rows: list[Row]) -> None:
    assert {row["non_coherent_loads"] for row in rows} == {0}


PTX = """
.version 7.0
.target sm_80
.address_size 64
.visible .entry add(.param .u64 a, .param .u64 b) {
    .reg .u64 %rd<2>;
    .reg .f32 %f<3>;
    ld.param.u64 %rd0, [a];
    ld.param.u64 %rd1, [b];
    ld.global.nc.f32 %f0, [%rd0];
    ld.global.f32 %f1, [%rd0+4];
    add.f32 %f2, %f0, %f1;
    st.global.f32 [%rd1], %f2;
    ret;
}
"""


def test_a_non_coherent_load_counts_once(tmp_path: Path) -> None:
    ptx, cubin = tmp_path / "add.ptx", tmp_path / "add.cubin"
    ptx.write_text(PTX)
    ptxas = Path(triton.__file__).parent / "backends/nvidia/bin/ptxas"
    subprocess.run([ptxas, "-arch=sm_80", ptx, "-o", cubin], check=True)
    (instructions,) = disassemble([cubin.read_bytes()], 80)
    compiled = SimpleNamespace(
        asm={"cubin": cubin.read_bytes(), "ptx": PTX}, metadata=SimpleNamespace(shared=0)
    )
    found = resources(compiled, instructions)
    assert (found["non_coherent_loads"], found["instructions"]) == (1, len(instructions))

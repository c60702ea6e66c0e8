"""Kernels compiled ahead of time serve every frame and GPU of a release."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from release_files import MAX_INSTANCES, SHAPE

from streamseg.errors import ModelError
from streamseg.export.to_cubin import compile_release, older_assembler, release_launches
from streamseg.grouping.cpu import GroupingConfig
from streamseg.grouping.plan import plan_frame
from streamseg.kernels.group_pixels.launch import most_programs
from streamseg.release.cubin import read_cubin
from streamseg.release.kernel_arguments import Signature, kernel_arguments
from streamseg.release.manifest import Release

pytest.importorskip("triton")


@pytest.mark.parametrize("frame", [(64, 32), (480, 270), (7, 5), (256, 1000), (512, 256)])
@pytest.mark.parametrize("multiprocessors", [0.5, 8, 132])
def test_every_launch_of_every_frame_has_its_kernel(
    compiled_release: Release, frame: tuple[int, int], multiprocessors: float
) -> None:
    width, height = frame
    plan = plan_frame(
        SHAPE,
        GroupingConfig(max_instances=MAX_INSTANCES, min_score=0.25),
        height=height,
        width=width,
        most_programs=int(2 * multiprocessors),
    )
    kernels = compiled_release.kernels_for(87)
    for launch in plan.launches:
        assert sum(kernel.serves(launch) for kernel in kernels) == 1, launch


def test_more_instances_than_were_compiled_for_have_no_kernel(compiled_release: Release) -> None:
    config = GroupingConfig(max_instances=2 * MAX_INSTANCES)
    plan = plan_frame(SHAPE, config, height=32, width=64, most_programs=most_programs(8))
    kernels = compiled_release.kernels_for(87)
    unserved = {
        launch.kernel
        for launch in plan.launches
        if not any(kernel.serves(launch) for kernel in kernels)
    }
    assert unserved == {"choose_seeds", "list_instances"}


def test_files_are_as_the_manifest_says(compiled_release: Release) -> None:
    kernels = compiled_release.manifest.kernels
    assert len({kernel.path for kernel in kernels}) == len(kernels)
    for kernel in kernels:
        path = compiled_release.path(kernel.path)
        told = read_cubin(path.read_bytes())
        assert told.architecture == kernel.architecture == 87
        signature = Signature(told.kernels[kernel.entry], kernel_arguments(kernel))
        assert told.kernels[kernel.entry].threads == (32 * kernel.warps, 1, 1)
        signature.pack(*(16 for _ in signature.arguments))
        assert path.stat().st_size < 64_000, path


def test_only_grouping_is_cooperative(compiled_release: Release) -> None:
    cooperative = {k.kernel for k in compiled_release.manifest.kernels if k.cooperative}
    assert cooperative == {"group_pixels"}


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("[ $1 = --version ] && echo 'release 12.6, V12.6.85'", "PTXASError"),
        ("exit 1", "ptxas is not an assembler that runs here"),
    ],
)
def test_an_assembler_that_fails_is_told(
    script: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path / "cache"))
    ptxas = tmp_path / "ptxas"
    ptxas.write_text(f"#!/bin/sh\n{script}\n")
    ptxas.chmod(ptxas.stat().st_mode | stat.S_IXUSR)
    launches = release_launches(SHAPE, MAX_INSTANCES)[:1]
    with pytest.raises(ModelError, match=rf"cannot be compiled for sm_87: .*{message}"):
        compile_release(tmp_path, launches, "fp16", {87: ptxas}, lambda _: None)


def test_the_older_assembler_is_taken_where_it_is_installed(compiled_release: Release) -> None:
    if not older_assembler():
        pytest.skip("nvidia-cuda-nvcc-cu12 is not installed")
    assert {kernel.assembled_by for kernel in compiled_release.manifest.kernels} == {"12.6"}

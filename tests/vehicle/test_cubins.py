"""Kernels compiled ahead of time, started by the vehicle's own code, against Triton on one GPU."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from release_files import MAX_INSTANCES, write_release
from torch import Tensor

from streamseg.grouping.cpu import GroupingConfig
from streamseg.grouping.gpu import device_views
from streamseg.grouping.plan import FramePlan, MapShape, plan_frame
from streamseg.kernels.decode_scores.triton_impl import plane_strides
from streamseg.kernels.device_checks import device_radius
from streamseg.kernels.group_pixels.triton_impl import most_programs_on
from streamseg.kernels.testing.cases import Case, street
from streamseg.kernels.triton_launch import start

CONFIG = GroupingConfig(max_instances=MAX_INSTANCES)


def network_output(case: Case, device: torch.device) -> dict[str, Tensor]:
    """In half precision, laid out as an exported network does."""
    embeddings, foreground, classes = (
        torch.from_numpy(values).to(device).half()
        for values in (case.embeddings, case.foreground, case.classes)
    )
    return {
        "embeddings": embeddings.permute(1, 2, 0).contiguous(),
        "foreground": foreground,
        "classes": classes,
    }


def shape_of(output: dict[str, Tensor]) -> MapShape:
    height, width, dims = output["embeddings"].shape
    foreground, classes = output["foreground"], output["classes"]
    return MapShape(
        height,
        width,
        dims,
        len(foreground),
        len(classes),
        "fp16",
        plane_strides(foreground),
        plane_strides(classes),
    )


def memory_for(plan: FramePlan, output: dict[str, Tensor], case: Case) -> dict[str, Tensor]:
    """All arrays of a plan, zeros; what the network put out is shared."""
    device = output["embeddings"].device
    arrays = {**output, "squared_radius": device_radius(tuple(case.taus.tolist()), device)}
    for block in (plan.cleared, plan.scratch, plan.results):
        memory = torch.zeros(block.bytes, dtype=torch.uint8, device=device)
        arrays |= device_views(block, memory)
    return arrays


@pytest.mark.gpu
@pytest.mark.parametrize("map_size", [(10, 16), (96, 160), (256, 512)])
def test_cubins_give_the_bits_that_triton_gives(map_size: tuple[int, int], tmp_path: Path) -> None:
    if not torch.cuda.is_available():
        if os.environ.get("STREAMSEG_REQUIRE_GPU") == "1":
            pytest.fail("STREAMSEG_REQUIRE_GPU=1 and no CUDA GPU")
        pytest.skip("no CUDA GPU")
    from streamseg.export.make_release import OLD_ASSEMBLER_UP_TO
    from streamseg.export.to_cubin import compile_release, older_assembler, release_launches
    from streamseg.vehicle.cuda import open_device
    from streamseg.vehicle.kernels import ReleaseKernels

    device = torch.device("cuda", torch.cuda.current_device())
    case = street(*map_size, dims=32)
    output = network_output(case, device)
    shape = shape_of(output)
    plan = plan_frame(
        shape,
        CONFIG,
        height=case.height,
        width=case.width,
        most_programs=most_programs_on(device),
    )
    by_triton, by_cubin = (memory_for(plan, output, case) for _ in range(2))
    for launch in plan.launches:
        start(launch, **{name: by_triton[name] for name in launch.pointers})
    torch.cuda.synchronize()

    major, minor = torch.cuda.get_device_capability(device)
    architecture = 10 * major + minor
    assembler = older_assembler() if architecture <= OLD_ASSEMBLER_UP_TO else None
    launches = release_launches(shape, MAX_INSTANCES)
    files = compile_release(
        tmp_path, launches, shape.dtype, {architecture: assembler}, lambda _: None
    )
    addresses = {name: tensor.data_ptr() for name, tensor in by_cubin.items()}
    with open_device() as opened, opened.current():
        print(opened.description)
        stream = opened.stream()
        for ready in ReleaseKernels(write_release(tmp_path, files), opened).ready(plan, addresses):
            ready.start(stream)
        stream.synchronize()

    assert by_triton["count"].item() > 0
    for name, expected in by_triton.items():
        found = by_cubin[name]
        if name in ("embedding_sum", "embedding"):  # sums of atomics, in any order
            assert torch.allclose(found, expected, rtol=1e-4, atol=1e-4), name
        else:
            assert torch.equal(found.view(torch.uint8), expected.view(torch.uint8)), name

"""Check that a release computes what it did when it was exported."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from streamseg.errors import ModelError
from streamseg.grouping.cpu import GroupingConfig, find_segments
from streamseg.release.golden import Golden, load_golden
from streamseg.release.manifest import GOLDEN, TRUNK, Release, open_release
from streamseg.release.parity import Parity, Tolerance, compare
from streamseg.results import Segments
from streamseg.runtime.base import Runtime

LEAST_SAME_LABELS = 0.999
"""Share of pixels on which kernels and numpy must agree; rounding changes outlines."""


def check_files(folder: Path) -> Iterator[str]:
    """Run the checks that need no GPU.

    Yields:
        Lines for people.

    Raises:
        ModelError: something is wrong.
    """
    from streamseg.release.cubin import read_cubin
    from streamseg.release.kernel_arguments import Signature, kernel_arguments
    from streamseg.runtime.onnx import OnnxRuntime

    release = open_release(folder)
    manifest = release.manifest
    yield f"files     {len(manifest.sha256)}, each with the hash of the manifest"
    for kernel in manifest.kernels:
        cubin = read_cubin(release.path(kernel.path).read_bytes())
        if kernel.entry not in cubin.kernels or cubin.architecture != kernel.architecture:
            raise ModelError(f"{release.path(kernel.path)} is not what the manifest says it is")
        Signature(cubin.kernels[kernel.entry], kernel_arguments(kernel))
    architectures = sorted({kernel.architecture for kernel in manifest.kernels})
    names = ", ".join(f"sm_{architecture}" for architecture in architectures)
    yield f"kernels   {len(manifest.kernels)} for {names}; their arguments fit"
    runtime = OnnxRuntime(release.path(TRUNK))
    parity = check_golden(release, runtime, release_golden(release))
    yield f"network   {_golden_line(parity)}, {runtime.description}"


def check_on_device(folder: Path, *, frames: int) -> Iterator[str]:
    """Check a release on the GPU of this machine, and time it.

    Args:
        folder: of the release, after ``streamseg build``.
        frames: to time.

    Yields:
        Lines for people.

    Raises:
        DeviceError: there is no GPU, or it refuses.
        ModelError: something is wrong.
    """
    from streamseg.vehicle.runtime import VehicleRuntime

    with VehicleRuntime(folder) as runtime:
        release = runtime.release
        yield f"device    {runtime.description}"
        golden = release_golden(release)
        yield f"network   {_golden_line(check_golden(release, runtime, golden))}"
        image = golden.image
        height, width = image.shape[:2]
        grouping = GroupingConfig(max_instances=release.manifest.max_instances)
        found, _, _ = runtime.submit(image, grouping, height=height, width=width).fetch()
        expected = find_segments(
            runtime.run(image), runtime.config.taus, grouping, height=height, width=width
        )
        yield f"grouping  {compare_segments(found, expected):.2%} of the pixels as in numpy"

        milliseconds = np.empty((frames, 3))
        for row in milliseconds:
            started = time.perf_counter()
            pending = runtime.submit(image, grouping, height=height, width=width)
            _, row[0], row[1] = pending.fetch()
            row[2] = 1e3 * (time.perf_counter() - started)
        for name, column in zip(
            ("network", "grouping", "frame, with copies"), milliseconds.T, strict=True
        ):
            p50, p95, p99 = np.percentile(column, [50, 95, 99])
            yield f"{name:20}p50 {p50:.2f} ms, p95 {p95:.2f} ms, p99 {p99:.2f} ms"
        yield f"memory    {runtime.memory_bytes / 1e6:.0f} MB on the device"


def release_golden(release: Release) -> Golden:
    """Load the golden outputs of a release.

    Raises:
        ModelError: the file is missing or something else.
    """
    return load_golden(release.path(GOLDEN), release.manifest.model)


def check_golden(release: Release, runtime: Runtime, golden: Golden) -> Parity:
    """Run the golden image and compare the outputs.

    Raises:
        ModelError: the outputs differ too much.
    """
    parity = compare(golden, runtime, [golden.image])
    try:
        parity.check(Tolerance(**release.manifest.tolerance))
    except ModelError as error:
        raise ModelError(f"{runtime.description}: {error}") from None
    return parity


def compare_segments(found: Segments, expected: Segments) -> float:
    """Compute the share of pixels with the same instance.

    Raises:
        ModelError: too few.
    """
    same = float((found.label_map == expected.label_map).mean())
    if same < LEAST_SAME_LABELS or found.class_id.tolist() != expected.class_id.tolist():
        raise ModelError(
            f"the kernels find {len(found)} instances, numpy finds {len(expected)} in the same "
            f"embeddings, and {same:.2%} of the pixels agree; {LEAST_SAME_LABELS:.1%} must"
        )
    return same


def _golden_line(parity: Parity) -> str:
    worst = max(difference.relative for difference in parity.tensors.values())
    return (
        f"within {worst:.2g} of torch's largest values, "
        f"{parity.class_agreement:.2%} of the pixels keep their class"
    )

"""The grouping kernels, compiled ahead of time for the GPUs of a release.

Each architecture is compiled in its own process, since a mismatch of compiler and architecture can
crash it. The parameters in each file are compared with the arguments to be packed.

A cubin may be too new for a vehicle's driver: that of JetPack 6 supports CUDA 12.6, and Triton's
assembler is newer. The package ``nvidia-cuda-nvcc-cu12`` 12.6 has one that fits.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from streamseg.errors import MissingExtraError, ModelError
from streamseg.grouping.cpu import GroupingConfig
from streamseg.grouping.plan import MapShape, plan_frame
from streamseg.kernels.launch import Launch
from streamseg.release.cubin import read_cubin
from streamseg.release.kernel_arguments import Signature, kernel_arguments
from streamseg.release.manifest import KernelFile

ERROR = re.compile(r"[\w.]+(Error|Exception)\b")
"""Matches the line of a traceback with the error."""
COLUMNS = (1, 2, 4, 8, 16, 32)
"""Frame columns of a map column for which ``label_pixels`` is compiled: to 32 times the map."""
MANY_PROGRAMS, FEW_PROGRAMS = 1 << 20, 1
"""Numbers of programs for which the kernel is compiled. With many programs the embeddings of each
fit in registers, with one they do not. How many programs run depends on the vehicle's GPU."""


def release_launches(shape: MapShape, max_instances: int) -> list[Launch]:
    """List the launches for frames of any size, on any number of multiprocessors.

    Args:
        shape: of the network's output.
        max_instances: in a frame.
    """
    config = GroupingConfig(max_instances=max_instances)
    found: dict[tuple[object, ...], Launch] = {}
    for most_programs in (MANY_PROGRAMS, FEW_PROGRAMS):
        for columns in COLUMNS:
            height, width = shape.height * columns, shape.width * columns
            plan = plan_frame(
                shape, config, height=height, width=width, most_programs=most_programs
            )
            for launch in plan.launches:
                key = (launch.kernel, launch.warps, *launch.constants.items())
                found.setdefault(key, launch)
    return list(found.values())


def compile_release(
    folder: Path,
    launches: list[Launch],
    dtype: str,
    architectures: dict[int, Path | None],
    progress: Callable[[int], None],
) -> list[KernelFile]:
    """Write ``kernels/sm_*/*.cubin``.

    Args:
        folder: of the release.
        launches: as ``release_launches`` lists them.
        dtype: of the network's output, ``fp16`` or ``fp32``.
        architectures: what to compile for, each with its assembler; None takes Triton's own.
        progress: called repeatedly with the number of newly compiled kernels.

    Returns:
        One entry for each file.

    Raises:
        MissingExtraError: Triton is not installed.
        ModelError: a kernel cannot be compiled, or not for these arguments.
    """
    if not find_spec("triton"):
        raise MissingExtraError("triton", "export")
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        jobs = {
            pool.submit(_in_child, folder, launches, dtype, sm, ptxas): sm
            for sm, ptxas in architectures.items()
        }
        files: dict[int, list[KernelFile]] = {}
        for job in as_completed(jobs):
            files[jobs[job]] = job.result()
            progress(len(launches))
    return [file for sm in architectures for file in files[sm]]


def older_assembler() -> Path | None:
    """Find the ptxas of CUDA 12.6, if its package is installed."""
    spec = find_spec("nvidia.cuda_nvcc") if find_spec("nvidia") else None
    for place in (spec.submodule_search_locations or []) if spec else []:
        ptxas = Path(place, "bin", "ptxas")
        if ptxas.is_file():
            return ptxas
    return None


def _in_child(
    folder: Path, launches: list[Launch], dtype: str, architecture: int, ptxas: Path | None
) -> list[KernelFile]:
    job = {
        "folder": str(folder),
        "launches": [asdict(launch) for launch in launches],
        "dtype": dtype,
        "architecture": architecture,
        "ptxas": str(ptxas) if ptxas else None,
    }
    environment = {**os.environ, "TRITON_INTERPRET": "0", "TRITON_DISABLE_LINE_INFO": "1"}
    if ptxas:
        environment |= {"TRITON_PTXAS_PATH": str(ptxas), "TRITON_PTXAS_BLACKWELL_PATH": str(ptxas)}
    done = subprocess.run(
        [sys.executable, "-m", "streamseg.export.to_cubin"],
        input=json.dumps(job),
        capture_output=True,
        text=True,
        env=environment,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        said = next((line for line in reversed(lines) if ERROR.match(line)), lines[-1])
        raise ModelError(f"the kernels cannot be compiled for sm_{architecture}: {said}")
    return [KernelFile(**fields) for fields in json.loads(done.stdout)]


def _compile_here(job: dict[str, Any]) -> Iterator[KernelFile]:
    """Compile for one architecture in this process."""
    import triton
    from triton.backends.nvidia.compiler import get_ptxas

    from streamseg.kernels.ahead_of_time import (
        argument_types,
        compile_launch,
        whole_numbers_known,
    )

    architecture, dtype = job["architecture"], job["dtype"]
    if job["ptxas"] not in (None, get_ptxas(architecture).path):
        raise ModelError(f"{job['ptxas']} is not an assembler that runs here")
    for fields in job["launches"]:
        launch = Launch(**{**fields, "grid": tuple(fields["grid"])})
        compiled = compile_launch(launch, dtype, architecture)
        metadata, cubin = compiled.metadata, compiled.asm["cubin"]
        if metadata.num_ctas != 1 or metadata.global_scratch_size or metadata.profile_scratch_size:
            raise ModelError(f"{launch.kernel} needs clusters or scratch memory")
        known = whole_numbers_known(launch)
        arguments = {
            name: kind
            for name, kind in argument_types(launch, dtype).items()
            if known.get(name) != 1
        }
        written = read_cubin(cubin)
        kernel = KernelFile(
            kernel=launch.kernel,
            architecture=architecture,
            path=f"kernels/sm_{architecture}/{_file_name(launch)}.cubin",
            entry=metadata.name,
            constants=dict(launch.constants),
            known=known,
            arguments=arguments,
            warps=launch.warps,
            shared_bytes=metadata.shared,
            cooperative=launch.cooperative,
            assembled_by=".".join(map(str, written.toolkit)) if written.toolkit else "13",
            triton=triton.__version__,
        )
        if written.architecture != architecture:
            raise ModelError(f"{kernel.path} came out for sm_{written.architecture}")
        Signature(written.kernels[kernel.entry], kernel_arguments(kernel))
        path = Path(job["folder"], kernel.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cubin)
        yield kernel


def _file_name(launch: Launch) -> str:
    """Name a file by kernel and the constants that distinguish its variants."""
    parts = [launch.kernel]
    if launch.constants.get("RESIDENT") is not None:
        parts.append("registers" if launch.constants["RESIDENT"] else "tiles")
    if "COLUMNS" in launch.constants:
        parts.append(f"columns_{launch.constants['COLUMNS']}")
    return "-".join(parts)


if __name__ == "__main__":
    print(json.dumps([asdict(kernel) for kernel in _compile_here(json.load(sys.stdin))]))

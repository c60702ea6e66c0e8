"""Resources of the compiled Triton kernels, for all GPUs; this machine needs none.

    python -m streamseg.export.kernel_resources 80 87 90 > table.json

Each architecture is compiled in its own process. The table gives registers and spilled bytes
per thread, shared memory, instructions, how many of them load 128 bits from device memory, and how
many are non-coherent loads (``ld.global.nc``), which may return old values of memory that another
program of the kernel has written. For kernels whose programs wait for each other it lists the
instructions on device memory in their order.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from bisect import bisect_right
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from pathlib import Path
from typing import Any

from streamseg.kernels.ahead_of_time import ARCHITECTURES, compile_launch
from streamseg.kernels.choose_seeds.launch import choose_seeds_launch
from streamseg.kernels.decode_scores.launch import decode_scores_launch
from streamseg.kernels.find_runs.launch import find_runs_launch
from streamseg.kernels.group_pixels.launch import group_pixels_launch, plan
from streamseg.kernels.label_pixels.launch import label_pixels_launch
from streamseg.kernels.launch import Launch
from streamseg.kernels.list_instances.launch import list_instances_launch, relabel_launch
from streamseg.release.cubin import sections

MAP = (96, 160)
FRAME = {"height": 384, "width": 640}


def variants() -> Iterator[tuple[str, Launch]]:
    """List the launches for a 640x384 frame, and some for other shapes."""
    height, width = MAP
    pixels, seeds = height * width, 64
    for classes in (80, 1000):
        for order, strides in (
            ("rows of pixels", ((1, 4), (1, classes))),
            ("planes", ((pixels, 1), (pixels // 4, 1))),
        ):
            launch = decode_scores_launch(4, classes, MAP, *strides)
            yield f"decode_scores, C = {classes}, {order}", launch
    for dims in (32, 64):
        for kind, programs in (("in registers", 1024), ("in tiles", 1)):
            yield (
                f"group_pixels, D = {dims}, {kind}",
                group_pixels_launch(
                    plan(pixels, dims, 2, programs),
                    pixels,
                    dims,
                    max_seeds=seeds,
                    alpha=0.3,
                    min_seediness=0.5,
                    exclude_claimed=True,
                ),
            )
        yield f"label_pixels, D = {dims}", label_pixels_launch(MAP, dims, seeds, **FRAME)
        listing = list_instances_launch(dims, seeds, **FRAME, least_area_px=1)
        yield f"list_instances, D = {dims}", listing
    yield "label_pixels, full HD", label_pixels_launch(MAP, 32, seeds, height=1080, width=1920)
    yield "choose_seeds", choose_seeds_launch(pixels, seeds, min_visible=0.7)
    yield "choose_seeds, large map", choose_seeds_launch(256 * 512, seeds, min_visible=0.7)
    yield "relabel", relabel_launch(384 * 640)
    yield "find_runs", find_runs_launch(**FRAME)


def compile_all(architecture: int) -> list[dict[str, Any]]:
    """Compile every variant for ``sm_<architecture>``, in this process."""
    launches = dict(variants())
    compiled = {
        name: compile_launch(launch, "fp16", architecture) for name, launch in launches.items()
    }
    code = disassemble([kernel.asm["cubin"] for kernel in compiled.values()], architecture)
    rows = []
    for (name, kernel), instructions in zip(compiled.items(), code, strict=True):
        row = {"kernel": name, "sm": architecture, **resources(kernel, instructions)}
        if launches[name].cooperative:
            row["memory_order"] = memory_order(kernel.asm["ptx"])
        rows.append(row)
    return rows


def disassemble(cubins: list[bytes], architecture: int) -> list[list[str]]:
    """List the instructions of each cubin: ``LDG.E.128.CONSTANT``.

    All are given to one process, whose start takes longer than its work.
    """
    code = [
        b"".join(part for name, part in sections(cubin) if name.startswith(".text."))
        for cubin in cubins
    ]
    with tempfile.NamedTemporaryFile(suffix=".bin") as file:
        file.write(b"".join(code))
        file.flush()
        text = _nvidia("nvdisasm", "--binary", f"SM{architecture}", file.name)
    found = re.findall(r"/\*([0-9a-f]{4,})\*/ +(?:@!?U?P\d+ +)?([A-Z][\w.]*)", text)
    ends = list(accumulate(map(len, code)))
    listed: list[list[str]] = [[] for _ in cubins]
    for address, instruction in found:
        listed[bisect_right(ends, int(address, 16))].append(instruction)
    return listed


def memory_order(ptx: str) -> list[str]:
    """List the instructions of a kernel on device memory, and its barriers, in their order.

    Args:
        ptx: of one kernel.

    Returns:
        Each with its predicate: ``@%p9 atom.global.gpu.acq_rel.add.u32``.
    """
    memory = r"^\s*((?:@!?%p\d+\s+)?(?:(?:ld|st)\.global|atom|red|fence|membar|bar)\.[\w.:]+)"
    return [" ".join(found.split()) for found in re.findall(memory, ptx, re.MULTILINE)]


def resources(compiled: Any, instructions: list[str]) -> dict[str, int]:
    """Read which resources a compiled kernel needs, and how it loads from memory."""
    with tempfile.NamedTemporaryFile(suffix=".cubin") as cubin:
        cubin.write(compiled.asm["cubin"])
        cubin.flush()
        usage = _nvidia("cuobjdump", "--dump-resource-usage", cubin.name)
    return {
        "registers": int(re.findall(r"REG:(\d+)", usage)[0]),
        "spilled_bytes": int(re.findall(r"STACK:(\d+)", usage)[0]),
        "shared_bytes": compiled.metadata.shared,
        "instructions": len(instructions),
        "loads_128_bit": sum(i.startswith("LDG") and "128" in i for i in instructions),
        "non_coherent_loads": sum(i.startswith("LDG") and "CONSTANT" in i for i in instructions),
    }


def _nvidia(program: str, *arguments: str) -> str:
    """Run a program of those that Triton brings; return what it prints."""
    import triton

    path = Path(triton.__file__).parent / "backends/nvidia/bin" / program
    done = subprocess.run([path, *arguments], check=True, capture_output=True, text=True)
    return done.stdout


def compile_apart(architectures: list[int]) -> list[dict[str, Any]]:
    """Compile for several architectures, each in its own process, two at a time.

    Raises:
        subprocess.CalledProcessError: a kernel did not compile.
    """

    def child(architecture: int) -> list[dict[str, Any]]:
        module = "streamseg.export.kernel_resources"
        command = [sys.executable, "-m", module, "--here", str(architecture)]
        environment = {**os.environ, "TRITON_INTERPRET": "0"}
        done = subprocess.run(
            command, check=True, stdout=subprocess.PIPE, text=True, env=environment
        )
        rows: list[dict[str, Any]] = json.loads(done.stdout)
        return rows

    with ThreadPoolExecutor(2) as pool:
        return [row for rows in pool.map(child, architectures) for row in rows]


def main(arguments: list[str]) -> None:
    """Print the table as JSON."""
    if arguments[:1] == ["--here"]:
        print(json.dumps(compile_all(int(arguments[1]))))
        return
    import triton

    rows = compile_apart([int(a) for a in arguments] or list(ARCHITECTURES))
    lines = ",\n".join("  " + json.dumps(row) for row in rows)
    print(f'{{"triton": "{triton.__version__}", "rows": [\n{lines}\n]}}')


if __name__ == "__main__":
    main(sys.argv[1:])

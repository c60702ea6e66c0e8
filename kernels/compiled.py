"""What the Triton kernels compile to, for every GPU and without one.

    python -m streamseg.kernels.compiled 80 87 90 > table.json

Each architecture is compiled in a process of its own. The table tells registers and spilled bytes
a thread, shared memory, instructions, and how many of them load 128 bits from device memory.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ARCHITECTURES = (75, 80, 86, 87, 89, 90, 100, 120)


def variants() -> Iterator[tuple[str, Any, list[str], dict[str, Any], int]]:
    """Name, kernel, types of its arguments, its constants, and warps of a program."""
    from streamseg.kernels.decode_scores.triton_impl import BLOCK
    from streamseg.kernels.decode_scores.triton_kernel import decode_kernel
    from streamseg.kernels.find_runs.triton_impl import BLOCK as RUNS_BLOCK
    from streamseg.kernels.find_runs.triton_kernel import runs_kernel
    from streamseg.kernels.group_pixels.triton_impl import plan
    from streamseg.kernels.group_pixels.triton_kernel import group_kernel
    from streamseg.kernels.keep_visible.triton_impl import BLOCK as VISIBLE_BLOCK
    from streamseg.kernels.keep_visible.triton_impl import WARPS as VISIBLE_WARPS
    from streamseg.kernels.keep_visible.triton_kernel import visible_kernel
    from streamseg.kernels.label_pixels.triton_impl import CELLS, CHUNK, warps
    from streamseg.kernels.label_pixels.triton_kernel import paint_kernel

    shape = {"THRESHOLDS": 4, "CHANNELS": 21, "CHANNELS_ROUNDED": 32, "BLOCK": BLOCK}
    strides = {"stride_pixel": 1}  # as Triton specialises it
    pointers = ["*fp16", "*fp32", "*u8", "*u8"]
    yield "decode_scores", decode_kernel, [*pointers, "i32", "i32", "i32"], {**strides, **shape}, 4
    types = ["*u16", "*i32", "*u16", "*i32", "i32", "i32"]
    yield "find_runs", runs_kernel, types, {"BLOCK": RUNS_BLOCK}, 4
    types = ["*u8", "*i64", "*u8", "*u8", "i32", "i32", "fp32"]
    yield "keep_visible", visible_kernel, types, {"BLOCK": VISIBLE_BLOCK}, VISIBLE_WARPS
    pointers = ["*fp16", "*fp32", "*u8", "*fp32", "*fp32", "*i64", "*i32", "*i32", "*i32", "*u8"]
    for dims in (32, 64):
        size = {"D": dims, "ROUNDED_D": dims}
        for kind, resident in (("in registers", True), ("in tiles", False)):
            block = plan(1, dims, 2, 1).block
            constants = {**size, "BLOCK": block, "RESIDENT": resident, "EXCLUDE_CLAIMED": True}
            types = [*pointers, "i32", "i32", "fp32", "fp32"]
            yield f"group_pixels, D = {dims}, {kind}", group_kernel, types, constants, 4
        types = ["*fp16", "*i32", "*fp32", "*u16", "*i32", "*i32", *["i32"] * 5]
        constants = {**size, "CELLS": CELLS, "COLUMNS": 4, "CHUNK": CHUNK}
        yield f"label_pixels, D = {dims}", paint_kernel, types, constants, warps(dims)


def compile_all(architecture: int) -> list[dict[str, Any]]:
    """Compile every variant for ``sm_<architecture>``, in this process."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    cuobjdump = Path(triton.__file__).parent / "backends/nvidia/bin/cuobjdump"
    rows = []
    for name, kernel, types, constants, num_warps in variants():
        names = kernel.arg_names
        free = [argument for argument in names if argument not in constants]
        signature = dict(zip(free, types, strict=True)) | dict.fromkeys(constants, "constexpr")
        aligned = {
            (names.index(argument),): [["tt.divisibility", 16]]
            for argument, kind in zip(free, types, strict=True)
            if kind.startswith("*") or argument == "pixels" or argument.startswith("stride")
        }
        source = ASTSource(
            fn=kernel,
            signature={argument: signature[argument] for argument in names},
            constexprs={(names.index(key),): value for key, value in constants.items()},
            attrs=aligned,
        )
        target = GPUTarget("cuda", architecture, 32)
        options = {"num_warps": num_warps, "enable_fp_fusion": True}
        compiled = triton.compile(source, target=target, options=options)
        with tempfile.NamedTemporaryFile(suffix=".cubin") as cubin:
            cubin.write(compiled.asm["cubin"])
            cubin.flush()
            usage, code = (
                subprocess.run(
                    [cuobjdump, option, cubin.name], check=True, capture_output=True, text=True
                ).stdout
                for option in ("--dump-resource-usage", "--dump-sass")
            )
        instructions = re.findall(r"/\*[0-9a-f]{4,}\*/ +(?:@!?U?P\d+ +)?([A-Z][\w.]*)", code)
        rows.append(
            {
                "kernel": name,
                "sm": architecture,
                "registers": int(re.findall(r"REG:(\d+)", usage)[0]),
                "spilled_bytes": int(re.findall(r"STACK:(\d+)", usage)[0]),
                "shared_bytes": compiled.metadata.shared,
                "instructions": len(instructions),
                "loads_128_bit": sum(i.startswith("LDG") and "128" in i for i in instructions),
            }
        )
    return rows


def compile_apart(architectures: list[int]) -> list[dict[str, Any]]:
    """Compile for several architectures, each in a process of its own, two at a time.

    Raises:
        subprocess.CalledProcessError: a kernel did not compile.
    """

    def child(architecture: int) -> list[dict[str, Any]]:
        command = [sys.executable, "-m", "streamseg.kernels.compiled", "--here", str(architecture)]
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

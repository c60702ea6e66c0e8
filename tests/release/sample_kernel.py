"""Compile a kernel ahead of time, as a program of its own: ``sample_kernel.py SM FILE``.

With every kind of argument that our kernels have, and one more.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import triton
import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

SIGNATURE = {
    "x": "*fp16",
    "y": "*fp16",
    "out": "*fp16",
    "pixels": "i32",
    "stride": "i32",
    "alpha": "fp32",
    "flag": "i1",
    "BLOCK": "constexpr",
}


@triton.jit  # type: ignore[untyped-decorator]
def axpy(x, y, out, pixels, stride, alpha, flag, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    """out = alpha x + y, without x unless flag."""
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < pixels
    a = tl.load(x + at * stride, mask=inside)
    b = tl.load(y + at * stride, mask=inside)
    tl.store(out + at * stride, tl.where(flag, alpha * a + b, b), mask=inside)


def main(architecture: str, file: str) -> None:
    """Write the cubin, print what Triton says of it."""
    source = ASTSource(fn=axpy, signature=SIGNATURE, constexprs={(7,): 1024})
    target = GPUTarget("cuda", int(architecture), 32)
    options = {"num_warps": 4, "enable_fp_fusion": True}
    compiled = triton.compile(source, target=target, options=options)
    Path(file).write_bytes(compiled.asm["cubin"])
    print(json.dumps(compiled.metadata.name))


if __name__ == "__main__":
    main(*sys.argv[1:])

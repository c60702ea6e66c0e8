"""What is proven and measured on a GPU, in order of worth."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

PYTEST = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q")
STREAMSEG = (sys.executable, "-m", "streamseg.cli.main")
KERNEL_TESTS = "tests/kernels/test_triton.py"
SANITIZER_FOLDERS = ("/usr/local/cuda/bin", "/opt/cuda/bin")


@dataclass(frozen=True)
class Part:
    """A command that passes when it exits with 0."""

    name: str
    limit_s: float
    """Seconds after which it is stopped."""
    command: tuple[str, ...]
    rehearsal: tuple[str, ...]
    """As much of it as needs no GPU."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Set on a GPU only."""
    junit: bool = False
    """A skipped test fails the part: ``--junit-xml`` is added to both commands."""


def all_parts(folder: Path) -> list[Part]:
    """List the parts.

    Args:
        folder: for files that they write.
    """
    run = (*STREAMSEG, "run", "--out", str(folder / "video.mp4"))
    return [
        Part(
            "tests",
            150,
            (*PYTEST, "-m", "gpu"),
            (*PYTEST, "-m", "not gpu", KERNEL_TESTS, "-k", "extreme"),
            {"STREAMSEG_REQUIRE_GPU": "1", "CUBLAS_WORKSPACE_CONFIG": ":4096:8"},
            junit=True,
        ),
        Part(
            "kernel times",
            150,
            (sys.executable, "-m", "benchmarks.kernels", "--gpu", "--seconds", "110"),
            (sys.executable, "-m", "benchmarks.kernels", "--quick"),
        ),
        Part(
            "video",
            40,
            (*run, "test-pattern:1280x720?frames=250", "--runtime", "cuda"),
            (*run, "test-pattern:128x96?frames=3", "--runtime", "onnx", "--size", "64x32"),
        ),
        Part(
            "cubins",
            60,
            (*PYTEST, "-m", "gpu", "tests/vehicle/test_cubins.py"),
            (*PYTEST, "tests/export/test_to_cubin.py", "-k", "files_are_as"),
            {"STREAMSEG_REQUIRE_GPU": "1"},
            junit=True,
        ),
        *(sanitizer(tool) for tool in ("memcheck", "racecheck")),
    ]


def sanitizer(tool: str) -> Part:
    """Run small cases of the kernels under a tool of compute-sanitizer."""
    cases = (*PYTEST, KERNEL_TESTS, "-k", "ties", "-m")
    return Part(
        tool,
        60,
        (
            sanitizer_path() or "compute-sanitizer",
            *("--tool", tool, "--error-exitcode", "9", "--target-processes", "all"),
            *(*cases, "gpu"),
        ),
        (*cases, "not gpu"),
        # memory from torch's own pool would hide accesses beyond an array
        {"STREAMSEG_REQUIRE_GPU": "1", "PYTORCH_NO_CUDA_MEMORY_CACHING": "1"},
    )


def sanitizer_path() -> str | None:
    """Find compute-sanitizer, which comes with the CUDA toolkit and not with the driver."""
    found = shutil.which("compute-sanitizer")
    for folder in SANITIZER_FOLDERS:
        found = found or shutil.which("compute-sanitizer", path=folder)
    return found

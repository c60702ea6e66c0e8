"""A CUDA driver for machines without a GPU: ``libcuda.so.1`` whose device memory is host memory.

Whatever is run with its folder on LD_LIBRARY_PATH finds a GPU of 16 multiprocessors. Copies are
done at once or, within a graph, when it is launched; kernels are not run. Every call is a line of
JSON in a log, launches with the exact bytes of their arguments.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SOURCES = Path(__file__).parent
FLAGS = ("-std=gnu11", "-O1", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror")
SHARED = ("-Wno-format-zero-length", "-shared", "-fPIC", "-pthread", "-Wl,-soname,libcuda.so.1")

Call = dict[str, Any]


def compiler() -> str | None:
    """The C compiler, if there is one."""
    return shutil.which("cc") or shutil.which("gcc")


def build(folder: Path) -> Path:
    """Compile the driver.

    Args:
        folder: where ``libcuda.so.1`` is written, and ``libcuda.so`` to link against.

    Returns:
        The folder.
    """
    library = folder / "libcuda.so.1"
    files = [str(file) for file in sorted(SOURCES.glob("*.c"))]
    subprocess.run([compiler() or "cc", *FLAGS, *SHARED, *files, "-o", str(library)], check=True)
    (folder / "libcuda.so").symlink_to(library.name)
    return folder


@dataclass(frozen=True)
class Run:
    """What a program did that ran on the fake driver."""

    output: Any
    """The JSON that it printed last."""
    calls: list[Call]
    """``call``, ``thread``, ``code`` (0 unless it was made to fail), and what belongs to it; the
    last is ``exit`` with the number of things still ``alive``."""

    def named(self, *names: str) -> list[Call]:
        """The calls of some functions, in order; names are without ``_v2``."""
        return [call for call in self.calls if call["call"] in names]


def run(folder: Path, log: Path, *command: str, **settings: str) -> Run:
    """Run Python on the fake driver, in a process of its own.

    Args:
        folder: as ``build`` filled it.
        log: a file that does not exist yet.
        command: arguments for Python.
        settings: environment; ``FAKE_CUDA_FAIL="cuMemAlloc:3:2"`` makes a function return 2 from
            its third call on, ``FAKE_CUDA_ARCHITECTURE="110"`` is another GPU,
            ``FAKE_CUDA_VERSION="13000"`` another driver.

    Raises:
        AssertionError: the program failed; the message is what it wrote.
    """
    modules = os.pathsep.join(filter(None, (str(SOURCES.parent), os.environ.get("PYTHONPATH"))))
    environment = {
        **os.environ,
        "LD_LIBRARY_PATH": str(folder),
        "FAKE_CUDA_LOG": str(log),
        "PYTHONPATH": modules,
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", *command],
        env={**environment, **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert not done.stderr, done.stderr
    calls = [json.loads(line) for line in log.read_text().splitlines()]
    return Run(json.loads(done.stdout.splitlines()[-1]), calls)

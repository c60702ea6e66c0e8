"""TensorRT's own Python bindings, of many versions, on machines without TensorRT.

The bindings are wheels of a megabyte. They load where something has the names of the libraries.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

FOLDER = Path(__file__).parent
VERSIONS = ("10.3.0", "10.7.0", "10.13.0.35", "10.16.1.11", "11.0.0.114", "11.4.0.106")
"""What vehicles have, as far as PyPI has it: JetPack 6 and 7, DriveOS 7, and the newest."""
LIBRARIES = ("libnvinfer", "libnvinfer_plugin", "libnvonnxparser")
TIMEOUT_SECONDS = 20


class Unavailable(Exception):
    """The bindings cannot be had here, and why."""

    @property
    def of_any_version(self) -> bool:
        """Whether pip saw none at all."""
        return "from versions: none" in str(self)


def compiler() -> str | None:
    """The C compiler, if there is one."""
    return shutil.which("cc") or shutil.which("gcc")


def build_libraries(folder: Path) -> Path:
    """Compile the libraries that the bindings of TensorRT 10 and 11 ask for.

    Returns:
        The folder.
    """
    first = folder / "stub.so"
    flags = ("-shared", "-fPIC", "-Wno-unused-parameter")
    source = str(FOLDER / "libraries.c")
    subprocess.run([compiler() or "cc", *flags, source, "-o", str(first)], check=True)
    for name in LIBRARIES:
        for major in (10, 11):
            (folder / f"{name}.so.{major}").symlink_to(first)
    return folder


def fetch_bindings(version: str, folder: Path) -> Path:
    """Download and unpack the bindings for this Python, unless that was done before.

    Args:
        version: one of ``VERSIONS``.
        folder: where downloads are kept.

    Returns:
        The folder to put on ``sys.path``.

    Raises:
        Unavailable: PyPI is out of reach, or has none for this Python.
    """
    unpacked = folder / f"{version}-{sys.implementation.cache_tag}"
    if unpacked.is_dir():
        return unpacked
    with TemporaryDirectory(dir=folder) as temporary:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--only-binary=:all:", "--retries", "0", "--timeout", str(TIMEOUT_SECONDS)]
        done = subprocess.run(
            [*command, "--dest", temporary, f"tensorrt-cu12-bindings=={version}"],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
            raise Unavailable("; ".join(lines) or f"pip: exit status {done.returncode}")
        (wheel,) = Path(temporary).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(wheel.with_suffix(""))
        try:
            wheel.with_suffix("").rename(unpacked)
        except OSError:  # another run of the tests was faster
            if not unpacked.is_dir():
                raise
    return unpacked


def run(libraries: Path, bindings: Path, code: str, *arguments: str) -> str:
    """Run Python in a process of its own, with the bindings imported as ``trt``.

    Returns:
        What it printed.

    Raises:
        AssertionError: it failed; the message is what it wrote.
    """
    start = f"""
import sys
sys.modules["tensorrt_libs"] = None  # the real libraries, should they be installed
sys.path.insert(0, {str(bindings)!r})
import tensorrt_bindings as trt
"""
    path = os.pathsep.join(filter(None, (str(FOLDER.parent), *sys.path)))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", start + code, *arguments],
        env={**os.environ, "LD_LIBRARY_PATH": str(libraries), "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout

"""The tables of a GPU day, as Markdown for docs/gpu.md."""

from __future__ import annotations

import platform
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

PACKAGES = ("streamseg", "torch", "triton", "numpy", "pycuda", "cuda-bindings")
CONTENDERS = ("torch loop", "torch.compile", "one program")
Parts = Sequence[tuple[str, str, float, str]]


def describe() -> dict[str, str]:
    """Name the hardware and the versions; ``gpu`` is empty where torch sees none."""
    import torch

    found = {"gpu": "", "driver": "", "cuda": str(torch.version.cuda)}
    found["commit"] = output_of("git", "rev-parse", "HEAD")
    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        found["gpu"] = (
            f"{properties.name}, sm_{properties.major}{properties.minor}, "
            f"{properties.multi_processor_count} multiprocessors"
        )
        query = ("--query-gpu=driver_version", "--format=csv,noheader")
        found["driver"] = output_of("nvidia-smi", *query)
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return {**found, "python": platform.python_version(), "system": platform.platform()}


def output_of(*command: str) -> str:
    """Run a program and return what it prints; nothing if it is missing or fails."""
    if not shutil.which(command[0]):
        return ""
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def tables(
    machine: Mapping[str, str], figures: Mapping[str, Any], stages: str, parts: Parts
) -> str:
    """Write everything as Markdown.

    Args:
        machine: as ``describe`` gives it.
        figures: the document of ``python -m benchmarks.kernels``; may be empty.
        stages: what ``streamseg run`` printed.
        parts: name, verdict, seconds and note of each.
    """
    no_gpu = [] if machine["gpu"] else ["Rehearsal without a GPU: all figures are of the CPU.", ""]
    blocks = [
        no_gpu,
        [", ".join(f"{name} {value}" for name, value in machine.items() if value)],
        row("part", "verdict", "seconds", "note", rule=True),
        [one for part in parts for one in row(part[0], part[1], f"{part[2]:.0f}", part[3])],
    ]
    for title, rows in figures.get("grouping", {}).items():
        if rows:
            make = frame_rows if "instances" in rows[0] else group_rows
            blocks += [["", f"### {title}", ""], list(make(rows))]
    if stages:
        blocks += [["", "### `streamseg run`", "", "```"], stages.splitlines()[-30:], ["```"]]
    return "\n".join(line for block in blocks for line in block) + "\n"


def frame_rows(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """All grouping of a frame: a line for each size."""
    yield from row("map", "D", "instances", "launch by launch, ms", "CUDA graph, ms", rule=True)
    for one in rows:
        times = (one["ms"].get(name) for name in ("launch by launch", "recorded"))
        yield from row(size(one), one["dims"], one["instances"], *map(spread, times))


def group_rows(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """``group_pixels``: a line for each size; others as multiples of our time."""
    yield from row("map", "D", "K", "ours, ms", "ours / floor", *CONTENDERS, rule=True)
    for one in rows:
        (_, ours), *_ = one["ms"].items()
        median = ours["median"]
        floor = f"{median / one['floor_ms']:.1f}×" if "floor_ms" in one else "-"
        others = (one["ms"].get(name) for name in CONTENDERS)
        ratios = (f"{other['median'] / median:.1f}×" if other else "-" for other in others)
        yield from row(size(one), one["dims"], one["seeds"], spread(ours), floor, *ratios)


def size(one: Mapping[str, Any]) -> str:
    """Of a map."""
    height, width = one["map"]
    return f"{height}×{width}"


def spread(times: Mapping[str, float] | None) -> str:
    """Median and percentiles."""
    if not times:
        return "-"
    return f"{times['median']:.3f} ({times['p20']:.3f} to {times['p80']:.3f})"


def row(*cells: object, rule: bool = False) -> list[str]:
    """A line of a table; with the rule below it, a header."""
    line = f"| {' | '.join(map(str, cells))} |"
    return [line, "|" + "---|" * len(cells)] if rule else [line]

"""Prove and measure the GPU path: ``scripts/gpu_day --out FOLDER``.

It runs every part of ``parts.py`` one after another, goes on after one that fails, and ends with a
table. The folder holds the output of each part, ``machine.json``, ``figures.json`` (the last line
of the kernel benchmark) and ``gpu.md`` (tables for docs/gpu.md); it stays below 16 MiB.
``--rehearse`` runs what needs no GPU of each part, to try the script itself.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.gpu_day.parts import Part, all_parts
from benchmarks.gpu_day.report import describe, tables

LARGEST_FOLDER = 16 << 20
LARGEST_LOG = 1 << 20
"""Of the output of a part its last so many bytes are kept."""
ENOUGH_S = 5
"""A part is not started with less time left."""


@dataclass(frozen=True)
class Outcome:
    """How a part ended."""

    name: str
    verdict: str
    """``passed``, ``failed`` or ``skipped``."""
    seconds: float
    note: str = ""


def main(arguments: list[str] | None = None) -> int:
    """Run the parts.

    Returns:
        0 if all passed, else 1.
    """
    parser = argparse.ArgumentParser(prog="gpu_day", description="prove and measure the GPU path")
    parser.add_argument("--out", type=Path, default=Path("gpu_day"), help="folder (gpu_day)")
    parser.add_argument("--minutes", type=float, default=8, help="for all parts together (8)")
    parser.add_argument("--rehearse", action="store_true", help="run what needs no GPU")
    chosen = parser.parse_args(arguments)
    machine = describe()
    if not machine["gpu"] and not chosen.rehearse:
        parser.error("torch sees no CUDA GPU; --rehearse runs what needs none")
    chosen.out.mkdir(parents=True, exist_ok=True)
    (chosen.out / "machine.json").write_text(json.dumps(machine, indent=1))
    console = Console()
    end = time.monotonic() + 60 * chosen.minutes
    outcomes = []
    for part in all_parts(chosen.out):
        left = end - time.monotonic()
        with console.status(part.name):
            outcome = run_part(part, chosen.out, rehearse=chosen.rehearse, left_s=left)
        console.print(f"{outcome.name}: {outcome.verdict} {outcome.note}")
        outcomes.append(outcome)
        write_report(chosen.out, machine, outcomes)
    shrink(chosen.out)
    console.print(table_of(outcomes))
    return int(any(outcome.verdict == "failed" for outcome in outcomes))


def run_part(part: Part, folder: Path, *, rehearse: bool, left_s: float) -> Outcome:
    """Run one part; its output goes to a file named after it.

    Args:
        part: to run.
        folder: for its output.
        rehearse: run its rehearsal.
        left_s: seconds left for all parts.
    """
    command = part.rehearsal if rehearse else part.command
    if not shutil.which(command[0]):
        return Outcome(part.name, "skipped", 0, f"{command[0]} is not installed")
    if left_s < ENOUGH_S:
        return Outcome(part.name, "skipped", 0, "no time left")
    stem = part.name.replace(" ", "_")
    junit = folder / f"{stem}.xml"
    if part.junit:
        command = (*command, f"--junit-xml={junit}")
    environment = {**os.environ, **({} if rehearse else part.environment)}
    limit_s = min(part.limit_s, left_s) if not rehearse else left_s
    started = time.monotonic()
    log = folder / f"{stem}.log"
    with log.open("wb") as output:
        child = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
        try:
            code = child.wait(limit_s)
            note = f"exit code {code}" if code else ""
        except subprocess.TimeoutExpired:
            note = f"stopped after {limit_s:.0f} s"
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)  # with all that it started
                child.wait()
    seconds = time.monotonic() - started
    log.write_bytes(log.read_bytes()[-LARGEST_LOG:])
    if not note and part.junit:
        note = skipped_tests(junit)
    return Outcome(part.name, "failed" if note else "passed", seconds, note)


def skipped_tests(junit: Path) -> str:
    """Say how many tests were skipped, if any: on this day none may be."""
    suites = list(ElementTree.parse(junit).getroot().iter("testsuite"))
    tests, skipped = (
        sum(int(suite.get(name, 0)) for suite in suites) for name in ("tests", "skipped")
    )
    if not tests:
        return "no test ran"
    return f"{skipped} of {tests} tests were skipped" if skipped else ""


def write_report(folder: Path, machine: dict[str, str], outcomes: list[Outcome]) -> None:
    """Write ``figures.json`` and ``gpu.md`` from what the parts have printed so far."""
    figures = {}
    log = folder / "kernel_times.log"
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    if lines and lines[-1].startswith("{"):
        figures = json.loads(lines[-1])
        (folder / "figures.json").write_text(lines[-1] + "\n")
    video = folder / "video.log"
    stages = video.read_text(errors="replace") if video.exists() else ""
    parts = [(outcome.name, outcome.verdict, outcome.seconds, outcome.note) for outcome in outcomes]
    (folder / "gpu.md").write_text(tables(machine, figures, stages, parts))


def shrink(folder: Path) -> None:
    """Delete the largest files until the folder is small enough to be taken along."""
    files = sorted((path for path in folder.rglob("*") if path.is_file()), key=size_of)
    while sum(map(size_of, files)) > LARGEST_FOLDER:
        files.pop().unlink()


def size_of(path: Path) -> int:
    """Bytes of a file."""
    return path.stat().st_size


def table_of(outcomes: list[Outcome]) -> Table:
    """Lay the outcomes out for the terminal."""
    table = Table("part", "verdict", "seconds", "note")
    colours = {"passed": "green", "failed": "red", "skipped": "yellow"}
    for outcome in outcomes:
        colour = colours[outcome.verdict]
        verdict = f"[{colour}]{outcome.verdict}[/]"
        table.add_row(outcome.name, verdict, f"{outcome.seconds:.0f}", outcome.note)
    return table


if __name__ == "__main__":
    sys.exit(main())

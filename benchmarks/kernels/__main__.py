"""Time the ops: ``OPENBLAS_NUM_THREADS=1 python -m benchmarks.kernels``.

Every result is first checked against the op's contract; a wrong one is not timed. On a busy machine
compare CPU time. ``--gpu`` leaves out what runs on the CPU, ``--seconds`` starts no new size after
that time, and ``--quick`` takes one small map, to try the benchmark itself. The last line of the
output is one JSON document with the same figures.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from streamseg.kernels import decode_scores, label_pixels
from streamseg.kernels.testing.cases import Case, alike, street
from streamseg.kernels.testing.contracts import check_groups, check_labels, check_scores

WARM_UP_ROUNDS = 5
ROUNDS = 60


def main(arguments: list[str] | None = None) -> None:
    """Check and time every op on every case, and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kernels", description="time ops")
    parser.add_argument("--gpu", action="store_true", help="only what runs on a GPU")
    parser.add_argument("--quick", action="store_true", help="one small map, few rounds")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="of new sizes")
    chosen = parser.parse_args(arguments)
    machine = describe_machine()
    for name, value in machine.items():
        print(f"{name:12} {value}")
    rows = [] if chosen.gpu else time_on_cpu(quick=chosen.quick)
    end = time.monotonic() + chosen.seconds
    grouping = with_torch(end, on_cpu=not chosen.gpu, quick=chosen.quick)
    print(json.dumps({"machine": machine, "rounds": ROUNDS, "rows": rows, "grouping": grouping}))


def time_on_cpu(*, quick: bool) -> list[dict[str, Any]]:
    """Check and time the references.

    Returns:
        A row for each case and op.
    """
    print(f"\n{'case':26}{'op':15}{'wall ms: min':>14}{'p20':>8}{'median':>8}{'p80':>8}", end="")
    print(f"{'CPU ms: min':>14}{'median':>8}")
    rows: list[dict[str, Any]] = []
    for name, (case, exclude_claimed) in bench_cases(quick=quick).items():
        try:
            ops = checked_ops(case, exclude_claimed)
        except AssertionError as error:
            sys.exit(f"not timed, the result of {name} is wrong: {error}")
        for op, times_ms in measure(ops, 2 if quick else ROUNDS).items():
            wall_ms, cpu_ms = np.array(times_ms).T
            least, p20, median, p80 = np.percentile(wall_ms, [0, 20, 50, 80]).round(3).tolist()
            cpu_least, cpu_median = np.percentile(cpu_ms, [0, 50]).round(3).tolist()
            print(f"{name:26}{op:15}{least:14.2f}{p20:8.2f}{median:8.2f}{p80:8.2f}", end="")
            print(f"{cpu_least:14.2f}{cpu_median:8.2f}")
            row: dict[str, Any] = {"case": name, "op": op, "exclude_claimed": exclude_claimed}
            row |= {"embeddings": case.embeddings.shape, "foreground": case.foreground.shape}
            row |= {"classes": case.classes.shape}
            row |= {"frame": (case.height, case.width), "max_seeds": case.max_seeds}
            row |= {"min_ms": least, "p20_ms": p20, "median_ms": median, "p80_ms": p80}
            row |= {"cpu_min_ms": cpu_least, "cpu_median_ms": cpu_median}
            rows.append(row)
    return rows


def with_torch(end: float, *, on_cpu: bool, quick: bool) -> dict[str, list[dict[str, Any]]]:
    """Compare ``group_pixels`` with torch on every device; time whole frames on a GPU.

    Args:
        end: on ``time.monotonic``; no new size is started after it.
        on_cpu: whether the CPU takes part.
        quick: one small map.

    Returns:
        Rows of ``group_pixels.measure`` and ``frame.measure``; empty without torch.
    """
    try:
        import torch
    except ImportError:
        print("\ntorch is not installed: group_pixels was not compared with it")
        return {}
    from benchmarks.kernels import frame, group_pixels

    installed = f"torch {torch.__version__}, {torch.get_num_threads()} CPU threads"
    parts = [("group_pixels in the paper's setting", "cpu", group_pixels)] if on_cpu else []
    if torch.cuda.is_available():
        parts += [
            ("all of a frame's grouping", "cuda", frame),
            ("group_pixels in the paper's setting", "cuda", group_pixels),
        ]
    results: dict[str, list[dict[str, Any]]] = {}
    for title, device, part in parts:
        print(f"\n{title}, {device}, {installed}")
        rows = results[f"{title}, {device}"] = []
        try:
            for row in part.measure(torch.device(device), quick=quick):
                print(part.table_row(row), flush=True)
                rows.append(row)
                if time.monotonic() > end:
                    break
        except AssertionError as error:
            sys.exit(f"not timed, a result is wrong: {error}")
    return results


def bench_cases(*, quick: bool) -> dict[str, tuple[Case, bool]]:
    """Name the cases, each with its ``exclude_claimed``."""
    if quick:
        return {"small street": (street(24, 40, dims=16), True)}
    full = street()
    return {
        "street, streaming": (full, True),
        "street, paper's setting": (replace(full, min_seediness=0.0), False),
        "all pixels alike": (alike(), False),
    }


def checked_ops(case: Case, exclude_claimed: bool) -> dict[str, Callable[[], object]]:
    """Run the three ops in turn, check each result, and return the calls to time.

    Raises:
        AssertionError: a result breaks its contract.
    """

    def decode() -> Any:
        return decode_scores(case.foreground, case.classes)

    scores = decode()
    check_scores(case, scores)

    def group() -> Any:
        return case.group(scores, exclude_claimed=exclude_claimed)

    groups = group()
    check_groups(case, scores, groups, exclude_claimed=exclude_claimed)
    seeds = groups.seed_index[: groups.count]
    seed_tau = case.taus[scores.tau_index.flat[seeds]]

    def label() -> Any:
        return label_pixels(case.embeddings, seeds, seed_tau, height=case.height, width=case.width)

    check_labels(case, seeds, seed_tau, label())
    return {"decode_scores": decode, "group_pixels": group, "label_pixels": label}


def measure(
    ops: dict[str, Callable[[], object]], rounds: int
) -> dict[str, list[tuple[float, float]]]:
    """Time each op and their sum, the ops in turn in every round.

    Returns:
        For each op and for "together", wall and CPU milliseconds of every round.
    """
    times_ms: dict[str, list[tuple[float, float]]] = {name: [] for name in (*ops, "together")}
    for round_number in range(WARM_UP_ROUNDS + rounds):
        this_round = {}
        for name, op in ops.items():
            wall, cpu = time.perf_counter(), time.process_time()
            op()
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            this_round[name] = (1e3 * wall, 1e3 * cpu)
        wall_ms, cpu_ms = zip(*this_round.values(), strict=True)
        this_round["together"] = (sum(wall_ms), sum(cpu_ms))
        if round_number >= WARM_UP_ROUNDS:
            for name, elapsed in this_round.items():
                times_ms[name].append(elapsed)
    return times_ms


def describe_machine() -> dict[str, str]:
    """Describe what the figures depend on."""
    cpuinfo = Path("/proc/cpuinfo")
    models = [
        line.partition(":")[2].strip()
        for line in (cpuinfo.read_text().splitlines() if cpuinfo.exists() else [])
        if line.startswith("model name")
    ]
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return {
        "cpu": f"{models[0] if models else platform.processor()}, {os.cpu_count()} cores",
        "load": " ".join(f"{load:.1f}" for load in os.getloadavg()),
        "blas": f"{blas['name']} {blas['version']}",
        "blas threads": os.environ.get("OPENBLAS_NUM_THREADS", "default"),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "streamseg": version("streamseg"),
    }


if __name__ == "__main__":
    main()

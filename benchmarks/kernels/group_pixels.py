"""Time ``group_pixels`` against other implementations, and against a lower bound.

Part of ``python -m benchmarks.kernels``. On a CPU the numpy reference is compared with the loop of
``torch_loop.py``. On a GPU the Triton kernel is compared with that loop, with ``torch.compile`` of
it, and with the same kernel in one program (the layout of published farthest-point sampling). The
lower bound is the time to move its bytes once, plus an empty barrier of the same grid for each
round.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from benchmarks.kernels.torch_loop import torch_loop
from streamseg.kernels import Groups, Scores, decode_scores
from streamseg.kernels.group_pixels.launch import Plan, barrier_launch, plan
from streamseg.kernels.similarity import squared_radius
from streamseg.kernels.testing.cases import Case, street
from streamseg.kernels.testing.contracts import check_groups

MAPS = ((128, 256), (96, 160), (256, 512))
DIMS = (64, 32)
SEEDS = (100, 32, 10)
"""The most important sizes come first."""
COMPILED = (((128, 256), 64, 100), ((96, 160), 64, 32))
"""Map, D and K at which torch.compile takes part: it compiles all K rounds for each size."""
QUICK_MAP = (24, 40)
CHECKED_SEEDS = 20
"""The check in float64 takes longer than all that is timed."""
ROUNDS = {"cpu": 5, "cuda": 50}
SETTING: dict[str, Any] = {"alpha": 0.3, "min_seediness": 0.0, "exclude_claimed": False}
"""The paper's setting, in which every round is run."""


def measure(device: torch.device, *, quick: bool = False) -> Iterator[dict[str, Any]]:
    """Check and time every size.

    Args:
        device: where.
        quick: only a small map.

    Yields:
        For each map, D and K the milliseconds of each implementation: p20, median and p80; on a
        GPU also the bytes moved and the lower bound.

    Raises:
        AssertionError: an implementation gave a wrong result.
    """
    for height, width in (QUICK_MAP,) if quick else MAPS:
        for dims in DIMS:
            full = street(height, width, dims=dims)
            for seeds in SEEDS:
                case = replace(full, max_seeds=seeds, min_seediness=SETTING["min_seediness"])
                row: dict[str, Any] = {"map": (height, width), "dims": dims, "seeds": seeds}
                scores = decode_scores(case.foreground, case.classes)
                on_device = device.type == "cuda"
                contenders = on_gpu(case, scores, device) if on_device else on_cpu(case, scores)
                row["ms"] = time_in_turns(contenders, device)
                if on_device:
                    row |= floor(case, device)
                yield row


def on_cpu(case: Case, scores: Scores) -> dict[str, Callable[[], Any]]:
    """Check the implementations on a CPU, and return a call of each to time, streamseg's first."""
    calls: dict[str, Callable[[], Any]] = {
        "numpy reference": lambda: case.group(scores, exclude_claimed=SETTING["exclude_claimed"]),
        "torch loop": loop_call(torch_loop, torch.from_numpy(case.embeddings), case, scores),
    }
    return checked(calls, case, scores)


def on_gpu(case: Case, scores: Scores, device: torch.device) -> dict[str, Callable[[], Any]]:
    """Check the implementations on a GPU, and return a call of each to time, streamseg's first.

    All get the same half-precision embeddings.
    """
    from streamseg.kernels.group_pixels import triton_impl

    half = torch.from_numpy(case.embeddings).to(device).half()
    half = half.permute(1, 2, 0).contiguous().permute(2, 0, 1)
    likely, tau_index = (
        torch.from_numpy(a).to(device) for a in (scores.seediness, scores.tau_index)
    )

    def ours(pixel_plan: Plan | None) -> Any:
        return triton_impl.group_pixels(
            half,
            likely,
            tau_index,
            case.taus,
            max_seeds=case.max_seeds,
            pixel_plan=pixel_plan,
            **SETTING,
        )

    calls: dict[str, Callable[[], Any]] = {
        "ours": lambda: ours(None),
        "torch loop": loop_call(torch_loop, half, case, scores),
        "one program": lambda: ours(Plan(1, 512, 16, resident=False)),
    }
    if (case.embeddings.shape[1:], len(case.embeddings), case.max_seeds) in COMPILED:
        calls["torch.compile"] = loop_call(torch.compile(torch_loop), half, case, scores)
    return checked(calls, replace(case, embeddings=half.float().cpu().numpy()), scores)


def loop_call(
    loop: Callable[..., Any], embeddings: torch.Tensor, case: Case, scores: Scores
) -> Callable[[], Any]:
    """Return a call of a loop on the device of the embeddings."""
    likely, tau_index, radius = (
        torch.from_numpy(a).to(embeddings.device)
        for a in (scores.seediness, scores.tau_index, squared_radius(case.taus))
    )
    return lambda: loop(embeddings, likely, tau_index, radius, max_seeds=case.max_seeds, **SETTING)


def checked(
    calls: dict[str, Callable[[], Any]], case: Case, scores: Scores
) -> dict[str, Callable[[], Any]]:
    """Return the calls after checking the first seeds and masks that each gives.

    Raises:
        AssertionError: an implementation gave a wrong result.
    """
    first = min(case.max_seeds, CHECKED_SEEDS)
    shorter = replace(case, max_seeds=first)
    for name, call in calls.items():
        try:
            found = as_groups(call())
            begin = Groups(found.seed_index[:first], min(found.count, first), found.masks[:first])
            check_groups(shorter, scores, begin, exclude_claimed=False)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from None
    return calls


def as_groups(found: Any) -> Groups:
    """Convert a result to the reference's type."""
    if isinstance(found, Groups):
        return found
    if isinstance(found, tuple):
        seeds, masks = (tensor.cpu().numpy() for tensor in found)
        return Groups(seeds.astype(np.int32), len(seeds), masks)
    return Groups(found.seed_index.cpu().numpy(), int(found.count), found.masks.cpu().numpy())


def time_in_turns(
    calls: dict[str, Callable[[], object]], device: torch.device
) -> dict[str, dict[str, float]]:
    """Time the calls, one after the other in every round, so that load affects all alike."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(ROUNDS[device.type] + 1):  # the first one warms up
        for name, call in calls.items():
            elapsed = time_ms(call, device)
            if number:
                times[name].append(elapsed)
    return {
        name: dict(
            zip(("p20", "median", "p80"), np.percentile(ms, [20, 50, 80]).tolist(), strict=True)
        )
        for name, ms in times.items()
    }


def time_ms(call: Callable[[], object], device: torch.device) -> float:
    """Time one call; on a GPU with CUDA events."""
    if device.type == "cpu":
        started = time.perf_counter()
        call()
        return 1e3 * (time.perf_counter() - started)
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    call()
    end.record()
    end.synchronize()
    return float(begin.elapsed_time(end))


def floor(case: Case, device: torch.device) -> dict[str, float]:
    """Lower bound: moving the bytes once, and a barrier for each round."""
    from streamseg.kernels.group_pixels.triton_impl import most_programs_on
    from streamseg.kernels.triton_launch import start

    dims, height, width = case.embeddings.shape
    pixels = height * width
    moved = pixels * (2 * dims + 4 + 1) + pixels * case.max_seeds
    source = torch.empty(1 << 28, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    copies = [time_ms(lambda: target.copy_(source), device) for _ in range(20)]
    bytes_per_ms = 2 * source.numel() / float(np.median(copies))
    programs = plan(pixels, dims, 2, most_programs_on(device)).programs
    launch = barrier_launch(programs, case.max_seeds)

    def barriers() -> None:
        rounds = torch.zeros(2 * case.max_seeds, dtype=torch.int64, device=device)
        keys, arrivals = rounds.view(2, -1)
        start(launch, keys=keys, arrivals=arrivals.view(torch.int32))

    barrier_ms = float(np.median([time_ms(barriers, device) for _ in range(50)]))
    return {
        "bytes_moved": moved,
        "bandwidth_gb_per_s": bytes_per_ms / 1e6,
        "barriers_ms": barrier_ms,
        "floor_ms": moved / bytes_per_ms + barrier_ms,
    }


def table_row(row: dict[str, Any]) -> str:
    """One row as a line of text: streamseg in ms, the others as multiples of it."""
    (ours, mine), *others = row["ms"].items()
    height, width = row["map"]
    text = f"{height:>4}x{width:<4} D={row['dims']:<3} K={row['seeds']:<4}"
    text += f" {ours} {mine['median']:.3f} ms ({mine['p20']:.3f}..{mine['p80']:.3f})"
    for name, other in others:
        text += f", {name} {other['median'] / mine['median']:.1f} x"
    if "floor_ms" in row:
        text += f", floor {row['floor_ms'] / mine['median']:.2f} x"
    return text

"""Measure where the time of a training step goes, and estimate what its losses cost on a GPU.

    python -m benchmarks.training_step --batch 8 --crop 320
    python -m benchmarks.training_step --device cuda

The learner is that of ``streamseg train``, with the settings and weights of the shipped model. Only
the batch is synthetic: crops with ellipses, as many as real crops have objects. During a step the
functions switch a clock from one phase to the next, so that the phases add up to the step; the
backward pass of each loss is a phase. On a CPU the clock is the CPU time of one thread, so that
other load counts less. On a GPU it is wall time, and every switch waits for the device, which makes
a step longer: the median of undisturbed steps is printed too.

Then one more step is counted, not measured: the bytes that every torch operation reads and writes,
and its multiplications and additions. This gives a lower bound for an H200, an *estimate by
counting*: the slower of memory and arithmetic at their peaks, and the time to launch the operations
one by one. The last line of the output is one JSON document.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.training_phases import (
    COUNTED,
    NETWORK,
    PAIRS,
    PHASES,
    Counted,
    Phases,
    Work,
    clock,
    watched,
)
from streamseg import __version__
from streamseg.cli.arguments import positive
from streamseg.config import STRIDE
from streamseg.datasets import VOID
from streamseg.loading import SHIPPED_MODEL
from streamseg.model.weights import load_safetensors, network_from
from streamseg.train.config import TrainConfig
from streamseg.train.data import Batch
from streamseg.train.learner import Learner
from streamseg.train.malloc import keep_freed_memory
from streamseg.train.metrics import StepLosses
from streamseg.train.processes import Processes
from streamseg.train.run_config import RunConfig, read_toml

RECIPE = Path(__file__).parents[1] / "recipes/nano.toml"
WEIGHTS = SHIPPED_MODEL.with_suffix(".safetensors")
VOID_SHARE = 0.3
"""Share of void pixels in real crops: corners of rotated images, borders, small objects."""

# of an H200 SXM, from its data sheet
BYTES_PER_SECOND = 4.8e12
FLOPS_BFLOAT16 = 989e12
FLOPS_FLOAT32 = 67e12
LAUNCH_SECONDS = 5e-6
"""Assumed time that Python, torch and the driver need to launch one operation."""


def main() -> None:
    """Measure, count and print."""
    parser = argparse.ArgumentParser(description="where the time of a training step goes")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--batch", type=positive, help="the recipe's on a GPU, 4 on a CPU")
    parser.add_argument("--crop", type=positive, help="the recipe's on a GPU, 256 on a CPU")
    parser.add_argument("--objects", type=positive, default=5, help="in a crop")
    parser.add_argument("--steps", type=positive, default=10)
    arguments = parser.parse_args()

    run = RunConfig().changed(read_toml(RECIPE))
    on_gpu = arguments.device == "cuda"
    batch_size = arguments.batch or (run.train.batch_size if on_gpu else 4)
    whole_crop = run.train.crop_sizes[0]
    crop = arguments.crop or (whole_crop if on_gpu else 256)
    config = replace(run.train, device=arguments.device, batch_size=batch_size, crop_sizes=(crop,))
    if on_gpu:
        machine = torch.cuda.get_device_name()
    else:
        torch.set_num_threads(1)  # threads that wait for each other spend CPU time too
        keep_freed_memory()
        machine = f"{platform.machine()}, one thread of {os.cpu_count()} cores"
    classes = len(load_safetensors(WEIGHTS)[1].class_names)
    batch = synthetic_batch(batch_size, crop, arguments.objects, classes)
    check(config, batch)
    undisturbed, spent = measure(make_learner(config), batch, arguments.steps)
    whole = synthetic_batch(run.train.batch_size, whole_crop, arguments.objects, classes)
    work = count(replace(run.train, device="cpu", mixed_precision="bf16"), whole)

    median_ms = {phase: statistics.median(step[phase] for step in spent) for phase in PHASES}
    print(f"streamseg {__version__}, torch {torch.__version__}, {machine}")
    print(f"{RECIPE.name}, {arguments.objects} objects in a crop\n")
    print_measured(batch_size, crop, statistics.median(undisturbed), median_ms)
    print_counted(run.train.batch_size, whole_crop, work)
    report = {
        "streamseg_version": __version__,
        "torch": torch.__version__,
        "machine": machine,
        "recipe": RECIPE.name,
        "objects": arguments.objects,
        "steps": arguments.steps,
        "measured": {
            "batch": batch_size,
            "crop": crop,
            "step_ms": statistics.median(undisturbed),
            "phase_ms": median_ms,
        },
        "counted": {
            "batch": run.train.batch_size,
            "crop": whole_crop,
            "phases": {phase: asdict(work[phase]) for phase in COUNTED},
        },
    }
    print(json.dumps(report))


def make_learner(config: TrainConfig) -> Learner:
    """Make the learner of ``streamseg train``, with the shipped weights."""
    weights, model_config = load_safetensors(WEIGHTS)
    learner = Learner(network_from(weights, model_config), config, Processes(), None)
    learner.start()
    return learner


def synthetic_batch(size: int, crop: int, objects: int, classes: int) -> Batch:
    """Make crops of noise with ellipses as objects, and a band of void along one side."""
    rng = np.random.default_rng(0)
    side = crop // STRIDE
    y, x = np.mgrid[:side, :side] / side
    labels, coverage, class_of_object = [], [], []
    for _ in range(size):
        found = np.zeros((side, side), np.int64)
        for k in range(objects):
            (cy, cx), (ry, rx) = rng.uniform(0.1, 0.9, 2), rng.uniform(0.05, 0.3, 2)
            found[((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 <= 1] = k + 1
        found[:, : round(VOID_SHARE * side)] = VOID
        labels.append(torch.from_numpy(found))
        coverage.append(torch.from_numpy(found == np.arange(1, objects + 1)[:, None, None]).float())
        class_of_object.append(torch.from_numpy(rng.integers(1, classes + 1, objects)))
    pixels = rng.integers(0, 256, (size, crop, crop, 3), dtype=np.uint8)
    return Batch(
        pixels=torch.from_numpy(pixels).permute(0, 3, 1, 2),
        labels=labels,
        coverage=coverage,
        class_of_object=class_of_object,
        unlabelled=torch.zeros(size, classes, dtype=torch.bool),
        centres=torch.zeros(size, 2),
        image_ids=[f"noise {i}" for i in range(size)],
        seconds=0.0,
    )


def learn(learner: Learner, batch: Batch) -> StepLosses:
    """Run a step in the middle of the run, where λ is above 0."""
    return learner.learn(batch, learner.config.steps // 2, lambda: False)[0]


def check(config: TrainConfig, batch: Batch) -> None:
    """Check that a step with the clock has the losses of an undisturbed one."""
    plain = learn(make_learner(config), batch)
    learner = make_learner(config)
    with watched(Phases(learner.device)):
        found = learn(learner, batch)
    for name, value in asdict(plain).items():
        if not np.isclose(asdict(found)[name], value, rtol=1e-3):
            raise SystemExit(f"{name} is {value}, but {asdict(found)[name]} with the clock")


def measure(
    learner: Learner, batch: Batch, steps: int
) -> tuple[list[float], list[dict[str, float]]]:
    """Time undisturbed steps and steps with the clock, in turns, after two of each to warm up.

    Returns:
        Milliseconds of the undisturbed steps, and of each phase of the others.
    """
    phases = Phases(learner.device)
    undisturbed, spent = [], []
    for turn in range(-2, steps):
        started = clock(learner.device)
        learn(learner, batch)
        elapsed = clock(learner.device) - started
        with watched(phases), phases.step():
            learn(learner, batch)
        if turn >= 0:
            undisturbed.append(1e3 * elapsed)
            spent.append({phase: 1e3 * phases.seconds[phase] for phase in PHASES})
    return undisturbed, spent


def count(config: TrainConfig, batch: Batch) -> Mapping[str, Work]:
    """Count the operations that a step launches on a GPU; they run on the CPU here."""
    learner = make_learner(config)
    for group in learner.optimizer.param_groups:
        group["foreach"] = True  # torch's own choice on GPUs
    learn(learner, batch)  # the first step also makes the moments
    phases = Phases(learner.device)
    counted = Counted(phases)
    with watched(phases), counted:
        learn(learner, batch)
    return counted.work


def print_measured(
    batch_size: int, crop: int, step_ms: float, median_ms: Mapping[str, float]
) -> None:
    """As Markdown."""
    total_ms = sum(median_ms.values())
    print(
        f"measured on {batch_size} crops of {crop} px: median step {step_ms:.0f} ms, "
        f"{total_ms:.0f} ms with the clock\n"
    )
    print("| phase | ms | share |")
    print("|---|---|---|")
    for phase, spent_ms in median_ms.items():
        print(f"| {phase} | {spent_ms:.1f} | {spent_ms / total_ms:.1%} |")
    pairs_ms = sum(median_ms[phase] for phase in PAIRS)
    print(f"\n{', '.join(PAIRS)}: {pairs_ms / total_ms:.1%}\n")


def print_counted(batch_size: int, crop: int, work: Mapping[str, Work]) -> None:
    """As Markdown."""
    print(
        f"estimate by counting, NOT measured: {batch_size} crops of {crop} px, bf16 network, on an "
        f"H200 at {BYTES_PER_SECOND / 1e12:.1f} TB/s, {FLOPS_BFLOAT16 / 1e12:.0f} TFLOP/s in bf16 "
        f"and {FLOPS_FLOAT32 / 1e12:.0f} in float32; {1e6 * LAUNCH_SECONDS:.0f} µs per launch\n"
    )
    print("| phase | MB | GFLOP | ms at those peaks | launches | waits | ms to launch |")
    print("|---|---|---|---|---|---|---|")
    busy_ms = {phase: 1e3 * busy_seconds(phase, work[phase]) for phase in COUNTED}
    for phase in COUNTED:
        done = work[phase]
        print(
            f"| {phase} | {done.bytes / 1e6:.0f} | {done.flops / 1e9:.2f} | {busy_ms[phase]:.3f} | "
            f"{done.launches} | {done.waits} | {1e3 * done.launches * LAUNCH_SECONDS:.1f} |"
        )
    busy_share = sum(busy_ms[phase] for phase in PAIRS) / sum(busy_ms.values())
    launches = sum(work[phase].launches for phase in COUNTED)
    launch_share = sum(work[phase].launches for phase in PAIRS) / launches
    print(
        f"\n{', '.join(PAIRS)}: {busy_share:.1%} of {sum(busy_ms.values()):.2f} ms at those peaks, "
        f"{launch_share:.1%} of {launches} launches\n"
    )


def busy_seconds(phase: str, work: Work) -> float:
    """Least time of a phase on an H200: that of its memory or of its arithmetic."""
    flops_per_second = FLOPS_BFLOAT16 if phase.startswith(NETWORK) else FLOPS_FLOAT32
    return max(work.bytes / BYTES_PER_SECOND, work.flops / flops_per_second)


if __name__ == "__main__":
    main()

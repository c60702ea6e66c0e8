"""Run the programs of a Triton kernel at the same time, without a GPU: one forked process each.

Triton's interpreter runs the programs of a grid one after another, so a program that waits for
another one waits for ever. Here every program is a process of its own. All of them run the kernel's
real source on the same memory, and the interpreter's atomics are atomic instructions of the CPU.
"""

from __future__ import annotations

import multiprocessing
import random
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from quick_interpreter import PatchedOnce
from torch import Tensor

from streamseg.kernels import triton_launch
from streamseg.kernels.launch import Launch

DELAYED_STEPS = {
    "create_atomic_rmw": 1.0,
    "create_load": 0.1,
    "create_store": 0.1,
    "create_masked_load": 0.1,
    "create_masked_store": 0.1,
}
"""Operations on memory in the interpreter, and which part of them is delayed at random. All atomic
operations are, so that a program that waits in a loop leaves the CPU to the others."""
LONGEST_DELAY_S = 3e-3


class Deadlock(AssertionError):
    """Programs still wait for each other."""


def concurrent_start(seed: int, *, limit_s: float = 120.0) -> Callable[..., None]:
    """Make a stand-in for ``triton_launch.start`` that runs all programs at the same time.

    Args:
        seed: of the random delays.
        limit_s: seconds after which the programs are stopped.

    Returns:
        A function that raises ``Deadlock`` after ``limit_s``, and AssertionError for a program that
        failed.
    """

    def start(launch: Launch, **pointers: Tensor) -> None:
        shared = {name: tensor.clone().share_memory_() for name, tensor in pointers.items()}
        fork = multiprocessing.get_context("fork")
        programs = [
            fork.Process(target=_run_program, args=(launch, shared, number, seed))
            for number in range(launch.grid[0])
        ]
        with warnings.catch_warnings():
            # pytest-xdist has other threads; what a child runs takes none of their locks
            warnings.simplefilter("ignore", DeprecationWarning)
            for program in programs:
                program.start()
        try:
            _wait(programs, limit_s)
        finally:
            for program in programs:
                program.kill()
                program.join()
        for name, tensor in pointers.items():
            tensor.copy_(shared[name])

    return start


def _wait(programs: list[Any], limit_s: float) -> None:
    """Wait until all programs have ended.

    Raises:
        AssertionError: one failed.
        Deadlock: one still runs after ``limit_s`` seconds.
    """
    end = time.monotonic() + limit_s
    for program in programs:
        program.join(max(0.0, end - time.monotonic()))
    codes = [program.exitcode for program in programs]
    if any(codes):
        raise AssertionError(f"programs failed, exit codes {codes}")
    if None in codes:
        waiting = [number for number, code in enumerate(codes) if code is None]
        raise Deadlock(f"programs {waiting} of {len(programs)} still run after {limit_s} s")


def _run_program(launch: Launch, pointers: dict[str, Tensor], number: int, seed: int) -> None:
    """Run one program of a launch in this process."""
    from triton.runtime import interpreter

    torch.set_num_threads(1)
    interpreter._patch_lang = PatchedOnce(interpreter._patch_lang)
    # the interpreter is asked for a grid of one program, and told which one of how many it is
    builder = interpreter.interpreter_builder
    set_dim, set_index = builder.set_grid_dim, builder.set_grid_idx
    builder.set_grid_dim = lambda *_: set_dim(*launch.grid, 1)
    builder.set_grid_idx = lambda *_: set_index(number, 0, 0)
    chance = random.Random(1000 * seed + number)

    def delay(step: Callable[..., Any], part: float) -> Callable[..., Any]:
        def delayed_step(*arguments: Any) -> Any:
            if chance.random() < part:
                time.sleep(chance.random() * LONGEST_DELAY_S)
            return step(*arguments)

        return delayed_step

    for name, part in DELAYED_STEPS.items():
        setattr(builder, name, delay(getattr(builder, name), part))
    triton_launch.start(replace(launch, grid=(1, 1)), **pointers)

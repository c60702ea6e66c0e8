"""Frames per second of ``streamseg batch`` and of independent ``streamseg run`` processes.

    python -m benchmarks.batch

Twelve clips of the synthetic street are segmented in turns: by one ``batch`` with as many workers
as there are cores, and by as many ``run`` processes, each with its part of the clips. All load the
same model, decode the same files and write Parquet; all of the time counts, from the start of the
processes to their end, that of Ray included. The rows must be the same.

The processes run in two ways. ``processes`` are what a user types, with ``--threads 1``: this
limits the network, but the decoder and numpy still start a thread for each core. ``confined`` are
the same, each on one core of its own (Linux), and so with one thread of everything, as the workers
have. The ratio is that to the faster of the two. The order of the three changes from round to
round. The last line of the output is one JSON document; ``--rehearse`` shows in a minute that
everything works, on clips of a few frames.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, Final

import onnxruntime
import ray

from streamseg import __version__
from streamseg.cli.arguments import positive
from streamseg.cores import usable_cores
from streamseg.loading import RUNTIMES
from streamseg.video.sink import VideoSink
from streamseg.video.source import open_source

LIMIT: Final = 0.9
"""Least part of the throughput of independent processes that a batch must reach."""
RATE: Final = 25
NOT_COMPARED: Final = ("source", "source_index")
STREAMSEG: Final = (sys.executable, "-m", "streamseg.cli.main")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="throughput of streamseg batch")
    parser.add_argument("--clips", type=positive, default=12, metavar="N")
    parser.add_argument("--frames", type=positive, default=500, metavar="N", help="of a clip")
    parser.add_argument("--size", default="640x360", metavar="WxH", help="of the images")
    parser.add_argument("--workers", type=positive, default=usable_cores(), metavar="N")
    parser.add_argument("--runtime", choices=RUNTIMES, default="onnx")
    parser.add_argument("--rounds", type=positive, default=3, metavar="N")
    parser.add_argument("--rehearse", action="store_true", help="one round, of 4 short clips")
    arguments = parser.parse_args()
    if arguments.rehearse:
        arguments.clips, arguments.frames, arguments.rounds = 4, 6, 1

    with tempfile.TemporaryDirectory(prefix="streamseg-benchmark-") as name:
        folder = Path(name)
        clips = [
            write_clip(folder / f"clips/{number:02}.mp4", arguments.size, arguments.frames)
            for number in range(arguments.clips)
        ]
        frames = arguments.frames * len(clips)
        sides: dict[str, Callable[..., float]] = {"batch": batch, "processes": processes}
        if hasattr(os, "sched_setaffinity"):
            sides["confined"] = partial(processes, confined=True)
        fps: dict[str, list[float]] = {side: [] for side in sides}
        for number in range(arguments.rounds):
            for side in [*sides, *sides][number % len(sides) :][: len(sides)]:
                out = folder / side
                shutil.rmtree(out, ignore_errors=True)
                out.mkdir()
                options = ("--runtime", arguments.runtime)
                fps[side].append(frames / sides[side](clips, out, arguments.workers, options))
            for side in sides.keys() - {"batch"}:
                check_same(folder / "batch", folder / side)
            summary = json.loads((folder / "batch" / "_summary.json").read_text())

    ratios = {
        side: statistics.median(a / b for a, b in zip(fps["batch"], fps[side], strict=True))
        for side in sides
        if side != "batch"
    }
    ratio = min(ratios.values())
    for side, values in fps.items():
        print(f"{side:<10} median {statistics.median(values):.2f} frames/s in all")
    for side, value in ratios.items():
        print(f"batch / {side}: {value:.3f}")
    print(f"ratio {ratio:.3f}, the limit is {LIMIT}: {'met' if ratio >= LIMIT else 'MISSED'}")
    per_core = statistics.median(fps["batch"]) / arguments.workers
    print(
        f"{per_core:.2f} frames/s of each core: an hour of {RATE} Hz takes "
        f"{RATE / per_core:.2f} core hours"
    )
    report: dict[str, Any] = {
        "streamseg_version": __version__,
        "ray": ray.__version__,
        "onnxruntime": onnxruntime.__version__,
        "worker": summary["worker"],
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "rehearsal": arguments.rehearse,
        "clips": arguments.clips,
        "frames": arguments.frames,
        "size": arguments.size,
        "workers": arguments.workers,
        "start_seconds": summary["start_seconds"],
        "fps": fps,
        "ratios": {side: round(value, 4) for side, value in ratios.items()},
        "ratio": round(ratio, 4),
        "frames_per_second_of_a_core": round(per_core, 3),
    }
    print(json.dumps(report))


def write_clip(path: Path, size: str, frames: int) -> Path:
    """The synthetic street as a video."""
    path.parent.mkdir(exist_ok=True)
    width, height = map(int, size.split("x"))
    with (
        open_source(f"test-pattern:{size}@{RATE}?frames={frames}") as street,
        VideoSink(path, width, height, time_base=Fraction(1, RATE), rate=Fraction(RATE)) as sink,
    ):
        for frame in street:
            sink.write(frame.image, frame.pts_seconds)
    return path


def batch(clips: Sequence[Path], out: Path, workers: int, options: Sequence[str]) -> float:
    """Seconds that ``streamseg batch`` takes."""
    command = [*STREAMSEG, "batch", *map(str, clips), "--out", str(out)]
    return seconds([[*command, "--workers", str(workers), *options]])


def processes(
    clips: Sequence[Path], out: Path, count: int, options: Sequence[str], *, confined: bool = False
) -> float:
    """Seconds that independent processes take, each with its part of the clips.

    Args:
        clips: all of them.
        out: folder of the results.
        count: of processes.
        options: of each.
        confined: whether each has a core of its own.
    """
    commands = []
    for number in range(min(count, len(clips))):
        part = map(str, clips[number::count])
        place = f"parquet:{out / f'{number}.parquet'}"
        commands.append([*STREAMSEG, "run", *part, "--save", place, "--threads", "1", *options])
    cores = itertools.cycle(sorted(os.sched_getaffinity(0)) if confined else [None])
    placed = zip(commands, cores, strict=False)  # cores go round without end
    return seconds([on_core(command, core) for command, core in placed])


def on_core(command: Sequence[str], core: int | None) -> list[str]:
    """A command that runs on one core; on any if None."""
    if core is None:
        return [*command]
    program = "import os, sys; os.sched_setaffinity(0, {int(sys.argv[1])}); "
    program += "os.execv(sys.argv[2], sys.argv[2:])"
    return [sys.executable, "-c", program, str(core), *command]


def seconds(commands: Sequence[Sequence[str]]) -> float:
    """Time until all of these processes have ended."""
    started = time.monotonic()
    running = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for command in commands]
    for process in running:
        _, said = process.communicate()
        if process.returncode:
            raise SystemExit(f"{' '.join(map(str, process.args))} failed:\n{said}")  # type: ignore[arg-type] # a list here
    return time.monotonic() - started


def check_same(batch_out: Path, processes_out: Path) -> None:
    """Refuse results that differ."""
    ours, theirs = (
        rows_by_source(sorted(folder.glob(pattern)))
        for folder, pattern in ((batch_out, "*/part.parquet"), (processes_out, "*.parquet"))
    )
    if ours != theirs:
        raise SystemExit("the results of batch and of the processes differ")


def rows_by_source(files: Sequence[Path]) -> dict[str, list[dict[str, Any]]]:
    """The rows of each clip."""
    from pyarrow import parquet

    rows: dict[str, list[dict[str, Any]]] = {}
    for file in files:
        for row in parquet.ParquetFile(file).read().to_pylist():
            kept = {name: value for name, value in row.items() if name not in NOT_COMPARED}
            rows.setdefault(row["source"], []).append(kept)
    return rows


if __name__ == "__main__":
    main()

"""``streamseg train``: learn a model from pictures with instance masks."""

from __future__ import annotations

import argparse
import json
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import harmonic_mean
from typing import TYPE_CHECKING

from streamseg.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from torch import Tensor

    from streamseg.datasets import VocLayout
    from streamseg.train.loop import Trainer
    from streamseg.train.metrics import StepMetrics
    from streamseg.train.run_config import RunConfig, Tables

DESCRIPTION = """\
Learn a model from pictures with instance masks, in the layout of PASCAL VOC. The run's folder
holds config.toml (all numbers of the run, to be edited and given to --config), checkpoint.pt (the
same command goes on from it), metrics.jsonl, and, when the run ends or is stopped with Ctrl-C,
model.onnx for `streamseg run --model`, model.safetensors to fine-tune from and model.json with all
that it was made of."""
SHORTHANDS = {
    "steps": (int, "length of the run in steps"),
    "batch_size": (int, "pictures a step"),
    "crop_size": (int, "side of a training picture in pixels"),
    "learning_rate": (float, "of neck and heads, at its peak"),
    "trunk_learning_rate": (float, "of the trunk, at its peak"),
    "seed": (int, "source of all chance"),
    "device": (str, "auto, cpu or cuda"),
}
"""Options that are short for ``--set train.NAME=VALUE``."""


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "train",
        help="learn a model from pictures with instance masks",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--data",
        action="append",
        required=True,
        metavar="DIR[:SPLIT]",
        help="folder in the VOC layout (split train if not named); may be given several times",
    )
    parser.add_argument("--out", type=Path, default=Path("runs/train"), help="folder of the run")
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="TOML file with the tables [model] and [train]"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="TABLE.KEY=VALUE",
        help="one number of the configuration, as train.weight_decay=0.05; several times",
    )
    for name, (kind, text) in SHORTHANDS.items():
        option = "--" + name.replace("_", "-")
        parser.add_argument(option, type=kind, metavar="X", help=f"{text}; train.{name}")
    parser.add_argument(
        "--init", type=Path, metavar="FILE", help="fine-tune from these .safetensors weights"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Train, then export."""
    try:
        import timm  # noqa: F401
        import torch  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(error.name or "torch", "train") from error
    from streamseg.train.loop import Trainer
    from streamseg.train.processes import started_by_torchrun

    config, weights = configure(arguments)
    datasets = [read_split(text) for text in arguments.data]
    with started_by_torchrun(config.train.device) as processes:
        trainer = Trainer(
            datasets,
            arguments.out,
            config.model,
            config.train,
            start_from=weights,
            processes=processes,
        )
        stopped = not learn(trainer)
        if processes.is_first:
            export(trainer)
    return 130 if stopped else 0


def read_split(text: str) -> VocLayout:
    """``DIR:SPLIT``, or ``DIR`` for its split ``train``."""
    from streamseg.datasets import VocLayout

    folder, _, split = text.partition(":")
    return VocLayout(folder, split or "train")


def configure(arguments: argparse.Namespace) -> tuple[RunConfig, dict[str, Tensor] | None]:
    """All numbers of the run, and the weights that it starts from if any were asked for.

    Raises:
        ConfigError: numbers that are not allowed, or another model than that of the run so far.
    """
    from streamseg.model.weights import load_safetensors
    from streamseg.train.run_config import RunConfig

    so_far, weights = run_so_far(arguments.out), None
    base = so_far or RunConfig()
    if arguments.init:
        weights, model_config = load_safetensors(arguments.init)
        base = replace(base, model=model_config)
    config = base.changed(asked_for(arguments))
    if so_far and so_far.model != config.model:
        raise ConfigError(
            f"{arguments.out} holds a run with another [model]; leave [model] and --init as they "
            f"were or choose another --out"
        )
    return config, weights


def asked_for(arguments: argparse.Namespace) -> Tables:
    """The values of ``--config``, ``--set`` and the shorthands; the later ones win."""
    from streamseg.train.run_config import merged, parse_assignments, read_toml

    given = {name: getattr(arguments, name) for name in SHORTHANDS}
    shorthands = {name: value for name, value in given.items() if value is not None}
    file = read_toml(arguments.config) if arguments.config else {}
    return merged([file, parse_assignments(arguments.set), {"train": shorthands}])


def run_so_far(folder: Path) -> RunConfig | None:
    """The configuration of the run to go on with, None where there is none."""
    from streamseg.model.weights import load_checkpoint
    from streamseg.train.config import TrainConfig
    from streamseg.train.loop import CHECKPOINT
    from streamseg.train.run_config import RunConfig

    if not (folder / CHECKPOINT).exists():
        return None
    old = load_checkpoint(folder / CHECKPOINT)
    return RunConfig(old.model_config, TrainConfig.from_json(old.train_config_json))


def learn(trainer: Trainer) -> bool:
    """Run to the end under a progress bar; False if stopped with Ctrl-C."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as TimeLeft

    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeLeft(),
        TextColumn("{task.fields[state]}"),
    )
    total = trainer.config.steps
    shown = trainer.processes.is_first
    if shown:
        print(
            f"{len(trainer.image_ids)} pictures; steps {trainer.step} to {total} on "
            f"{trainer.processes.count} x {trainer.device.type}; {trainer.folder}"
        )
    latest: deque[StepMetrics] = deque(maxlen=20)
    with Progress(*columns, refresh_per_second=2, disable=not shown) as progress:
        task = progress.add_task("training", total=total, completed=trainer.step, state="")

        def on_step(metrics: StepMetrics) -> None:
            latest.append(metrics)
            progress.update(task, completed=metrics.step + 1, state=state_of(latest))

        try:
            trainer.run(on_step)
        except KeyboardInterrupt:
            return False
    return True


def state_of(latest: Sequence[StepMetrics]) -> str:
    """Losses of the last step and speeds over the latest ones, for the progress bar."""
    now = latest[-1]
    # of rates the harmonic mean: the time is what adds up
    speed, loader = (
        harmonic_mean([getattr(metrics, name) for metrics in latest])
        for name in ("images_per_second", "loader_images_per_second")
    )
    return (
        f"embedding {now.embedding_loss:.3f}, class {now.classification_loss:.3f}, "
        f"good seeds {now.good_seeds:.0%}; {speed:.1f} images/s, loader alone {loader:.0f}"
    )


def export(trainer: Trainer) -> None:
    """Write the model into the run's folder: to run, to fine-tune, and its card."""
    from streamseg.export.to_onnx import export_onnx
    from streamseg.model.weights import network_from, save_safetensors

    folder, weights = trainer.folder, trainer.weights()
    save_safetensors(folder / "model.safetensors", weights, trainer.model_config)
    card = {
        "steps": trainer.step,
        "model": json.loads(trainer.model_config.to_json()),
        "training": json.loads(trainer.config.to_json()),
        "training_images": trainer.image_ids,
    }
    (folder / "model.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    network = network_from(weights, trainer.model_config)
    difference = export_onnx(network, folder / "model.onnx")
    print(
        f"step {trainer.step}: wrote model.onnx (differs from torch by {difference:.1e}), "
        f"model.safetensors and model.json to {folder}"
    )

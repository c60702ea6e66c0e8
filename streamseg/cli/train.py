"""``streamseg train``: learn a model from pictures with instance masks."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from streamseg.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from streamseg.train.loop import StepMetrics, Trainer

DESCRIPTION = """\
Learn a model from pictures with instance masks, in the layout of PASCAL VOC. The run's folder
holds checkpoint.pt (the same command goes on from it), metrics.jsonl, and, when the run ends or
is stopped with Ctrl-C, model.onnx for `streamseg run --model`, model.safetensors to fine-tune from
and model.json with all that it was made of."""


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
    parser.add_argument("--steps", type=int, help="length of the run in steps")
    parser.add_argument("--batch-size", type=int, help="pictures a step")
    parser.add_argument("--crop-size", type=int, metavar="PX", help="side of a training picture")
    parser.add_argument("--learning-rate", type=float, help="of neck and heads, at its peak")
    parser.add_argument("--trunk-learning-rate", type=float, help="of the trunk, at its peak")
    parser.add_argument("--seed", type=int, help="source of all chance")
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
    from streamseg.config import ModelConfig
    from streamseg.datasets import open_dataset
    from streamseg.model.weights import load_safetensors
    from streamseg.train.config import TrainConfig
    from streamseg.train.loop import Trainer

    datasets = []
    for text in arguments.data:
        folder, _, split = text.partition(":")
        datasets.append(open_dataset(folder, split or "train"))
    names = (
        "steps",
        "batch_size",
        "crop_size",
        "learning_rate",
        "trunk_learning_rate",
        "seed",
    )
    given = {name: getattr(arguments, name) for name in names}
    config = TrainConfig(**{name: value for name, value in given.items() if value is not None})
    weights, model_config = None, ModelConfig()
    if arguments.init:
        weights, model_config = load_safetensors(arguments.init)
    trainer = Trainer(datasets, arguments.out, model_config, config, start_from=weights)
    if trainer.step > config.steps:
        raise ConfigError(
            f"{arguments.out} has done {trainer.step} steps already; "
            f"ask for more with --steps or choose another --out"
        )
    stopped = not learn(trainer)
    export(trainer)
    return 130 if stopped else 0


def learn(trainer: Trainer) -> bool:
    """Run to the end under a progress bar; False if stopped with Ctrl-C."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as TimeLeft

    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeLeft(),
        TextColumn("{task.fields[losses]}"),
    )
    total = trainer.config.steps
    print(f"{len(trainer.image_ids)} pictures; steps {trainer.step} to {total}; {trainer.folder}")
    with Progress(*columns, refresh_per_second=2) as progress:
        task = progress.add_task("training", total=total, completed=trainer.step, losses="")

        def on_step(metrics: StepMetrics) -> None:
            progress.update(
                task,
                completed=metrics.step + 1,
                losses=f"embedding {metrics.embedding_loss:.3f}, "
                f"class {metrics.classification_loss:.3f}, "
                f"good seeds {metrics.good_seeds:.0%}",
            )

        try:
            trainer.run(on_step)
        except KeyboardInterrupt:
            return False
    return True


def export(trainer: Trainer) -> None:
    """Write the model into the run's folder: to run, to fine-tune, and its card."""
    from streamseg.export.to_onnx import export_onnx
    from streamseg.model.weights import save_safetensors

    folder = trainer.folder
    save_safetensors(
        folder / "model.safetensors", trainer.network.state_dict(), trainer.model_config
    )
    card = {
        "steps": trainer.step,
        "model": json.loads(trainer.model_config.to_json()),
        "training": json.loads(trainer.config.to_json()),
        "training_images": trainer.image_ids,
    }
    (folder / "model.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    difference = export_onnx(trainer.network, folder / "model.onnx")
    print(
        f"step {trainer.step}: wrote model.onnx (differs from torch by {difference:.1e}), "
        f"model.safetensors and model.json to {folder}"
    )

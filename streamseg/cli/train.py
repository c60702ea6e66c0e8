"""``streamseg train``: learn a model from images with instance masks."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

from streamseg.cli.progress import training_progress
from streamseg.errors import MissingExtraError
from streamseg.interrupts import STOPPED

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from streamseg.datasets import InstanceDataset
    from streamseg.train.loop import Trainer
    from streamseg.train.metrics import StepMetrics
    from streamseg.train.run_config import RunConfig, Tables
    from streamseg.train.validation import ValidationResult

DESCRIPTION = """\
Learn a model from images with instance masks. The folder of the run has config.toml (all settings;
edit it and pass it to --config), checkpoint.pt (the same command continues from it), metrics.jsonl
and tensorboard/ (losses, and the outputs of the network on some images). When the run ends or is
stopped with Ctrl-C, it also has model.onnx for `streamseg run --model`, model.int8.onnx (the same
in 8 bits, if the two agree), model.safetensors to fine-tune from, and model.json with the settings
and the ids of the training images.

`torchrun --nproc-per-node N -m streamseg.cli.main train ...` trains in N processes."""
IMAGES_SHOWN = 4
SHORTHANDS: dict[str, tuple[Callable[[str], object], str]] = {
    "steps": (int, "length of the run in steps"),
    "batch_size": (int, "images per step"),
    "learning_rate": (float, "highest learning rate of neck and heads"),
    "trunk_learning_rate": (float, "highest learning rate of the trunk"),
    "seed": (int, "seed of all random numbers"),
    "device": (str, "auto, cpu or cuda"),
}
"""Options that are short for ``--set train.NAME=VALUE``."""


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "train",
        help="learn a model from images with instance masks",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--data",
        action="append",
        required=True,
        metavar="DIR[:SPLIT]",
        help="a data set: COCO, YOLO, LabelMe, CVAT, VOC, Cityscapes or SBD (split train by "
        "default); may be given several times",
    )
    parser.add_argument(
        "--val",
        metavar="DIR[:SPLIT]",
        help="images to score at every checkpoint and to show in TensorBoard (split val if not "
        "named); without it, some of the data are shown and the last weights are exported",
    )
    parser.add_argument("--out", type=Path, default=Path("runs/train"), help="folder of the run")
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="TOML file with the tables [model], [train] and [classes]",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="TABLE.KEY=VALUE",
        help="change one setting, as train.weight_decay=0.05; may be given several times",
    )
    for name, (kind, text) in SHORTHANDS.items():
        option = "--" + name.replace("_", "-")
        parser.add_argument(option, type=kind, metavar="X", help=f"{text}: train.{name}")
    parser.add_argument(
        "--init",
        metavar="FILE",
        help="fine-tune from these .safetensors weights, or from nano, the shipped model",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Train, then export."""
    try:
        import timm  # noqa: F401
        import torch  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(error.name or "torch", "train") from error
    from streamseg.datasets import with_mapping
    from streamseg.loading import WEIGHTS_SUFFIX, model_path
    from streamseg.train.loop import Trainer
    from streamseg.train.processes import started_by_torchrun
    from streamseg.train.run_folder import training_alone
    from streamseg.train.setup import prepare

    datasets = [read_split(text, "train") for text in arguments.data]
    validation = read_split(arguments.val, "val") if arguments.val else None
    with started_by_torchrun() as processes, ExitStack() as lock:
        init = model_path(arguments.init, WEIGHTS_SUFFIX) if arguments.init else None
        config, weights = processes.from_first(
            lambda: prepare(arguments.out, init, asked_for(arguments), datasets)
        )
        processes.from_first(lambda: lock.enter_context(training_alone(arguments.out)))
        if processes.is_first:
            tell_classes(datasets, config)
        trainer = Trainer(
            [with_mapping(data, config.classes) for data in datasets],
            arguments.out,
            config.model,
            config.train,
            classes=config.classes,
            validation_data=with_mapping(validation, config.classes) if validation else None,
            start_from=weights,
            processes=processes,
        )
        stopped = not learn(trainer, validation or datasets[0])
        if processes.is_first:
            if stopped:
                print(
                    f"stopped at step {trainer.step}: writing the model, which can take a minute; "
                    "Ctrl-C again to skip",
                    flush=True,
                )
            write(trainer)
    return STOPPED if stopped else 0


def read_split(text: str, default: str) -> InstanceDataset:
    """Open ``DIR:SPLIT``, or the default split of ``DIR``."""
    from streamseg.datasets import open_dataset

    folder, _, split = text.partition(":")
    return open_dataset(folder, split or default)


def tell_classes(datasets: Sequence[InstanceDataset], config: RunConfig) -> None:
    """Print what becomes of the classes of the data, and which ones the model keeps besides."""
    from streamseg.classes import plain_name
    from streamseg.cli.class_table import print_classes
    from streamseg.datasets import taught_classes, with_mapping

    print_classes(datasets, config.classes, config.model.class_names, "void, not in class_names")
    taught = taught_classes(with_mapping(data, config.classes) for data in datasets)
    plain = {plain_name(name) for name in taught}
    kept = [name for name in config.model.class_names if plain_name(name) not in plain]
    if kept:
        print(f"{len(kept)} more classes of the model, unknown in the data: {', '.join(kept)}")


def asked_for(arguments: argparse.Namespace) -> Tables:
    """Merge ``--config``, ``--set`` and the shorthands; later ones win."""
    from streamseg.train.run_config import merged, parse_assignments, read_toml

    given = {name: getattr(arguments, name) for name in SHORTHANDS}
    shorthands = {name: value for name, value in given.items() if value is not None}
    file = read_toml(arguments.config) if arguments.config else {}
    return merged([file, parse_assignments(arguments.set), {"train": shorthands}])


def learn(trainer: Trainer, shown: InstanceDataset) -> bool:
    """Train under a progress bar.

    Args:
        trainer: of the run.
        shown: its first images are shown in TensorBoard.

    Returns:
        Whether the run came to its end; False if it was stopped with Ctrl-C.
    """
    if not trainer.processes.is_first:
        return run_or_stop(trainer, lambda _: None, lambda _: None)
    from streamseg.train.board import Board

    validation = trainer.validation
    board = Board(trainer.folder / "tensorboard", trainer.step)
    samples = [shown.load(image_id) for image_id in shown.ids[:IMAGES_SHOWN]]
    print(
        f"{len(trainer.image_ids)} images; steps {trainer.step} to {trainer.config.steps} on "
        f"{trainer.processes.count} x {trainer.learner.device.type}; {trainer.folder}"
    )
    with (
        closing(board),
        training_progress(
            trainer.step, trainer.config.steps, validation.best if validation else None
        ) as (show_progress, show_validation),
    ):

        def on_step(metrics: StepMetrics) -> None:
            show_progress(metrics)
            board.add(metrics)
            done = metrics.step + 1
            if trainer.is_checkpoint:
                board.show(samples, trainer.learner.weights(), trainer.model_config, done)

        def on_validation(found: ValidationResult) -> None:
            board.add_validation(found)
            show_validation(found, validation.best or found if validation else found)

        return run_or_stop(trainer, on_step, on_validation)


def run_or_stop(
    trainer: Trainer,
    on_step: Callable[[StepMetrics], None],
    on_validation: Callable[[ValidationResult], None],
) -> bool:
    """Train; return whether the run came to its end."""
    try:
        trainer.run(on_step, on_validation)
    except KeyboardInterrupt:
        return False
    return True


def write(trainer: Trainer) -> None:
    """Write the model, and print what was written."""
    from streamseg.train.result import write_result

    result = write_result(trainer)
    print(
        f"weights of step {result.step}: wrote {result.onnx.name} (differs from torch by "
        f"{result.onnx_difference:.1e}), {result.safetensors.name} and {result.card.name} to "
        f"{trainer.folder}"
    )
    if result.predictions:
        print(f"wrote {result.predictions.name}: validation images, truth left, predictions right")
    if result.int8:
        difference = f"{result.int8_difference:.2f}"
        print(f"wrote {result.int8.name}, the same in 8 bits (differs by {difference} rms)")
    else:
        print(f"no model.int8.onnx: {result.int8_refusal}")

"""``streamseg eval``: score a model on images with instance masks."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamseg import __version__
from streamseg.classes import shared_classes
from streamseg.cli.arguments import (
    add_data_options,
    add_input_options,
    add_report_option,
    positive,
    whole,
)
from streamseg.errors import ConfigError
from streamseg.interrupts import STOPPED
from streamseg.loading import model_path

if TYPE_CHECKING:
    from argparse import _SubParsersAction
    from collections.abc import Sequence

    from streamseg.evaluate.studies import Study
    from streamseg.segmenter import Segmenter

DESCRIPTION = """\
Score masks of the classes of the data: mAP^r (Hariharan et al. 2014), recall of proposals, COCO's
AP and kinds of mistakes. By default the disjoint instances of `streamseg run` are scored, down to
a score of 0.05. With --proposals, and in every sweep, the paper's overlapping proposals are.

Classes are matched by name; well-known spellings, as tv and tvmonitor, are the same. A class of the
data that the model does not know scores 0. Instances of classes that the data do not have are left
out.

Images that the model was trained on are left out; the .json beside the model lists them. If DIR has
a GROUND_TRUTH.txt that says where the masks come from, the report quotes it."""
PROPOSALS = 100
"""The paper found that this many cover nearly every object."""


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "eval",
        help="score a model on images with instance masks",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_data_options(parser)
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="TOML file, as a run's config.toml, whose table [classes] renames classes of the data",
    )
    parser.add_argument(
        "--model",
        type=model_path,
        nargs="+",
        help="an ONNX model, several for a sweep of embedding_dim (nano, the shipped one)",
    )
    add_input_options(parser)
    parser.add_argument(
        "--min-area", type=whole, default=0, metavar="PX", help="leave smaller objects out"
    )
    parser.add_argument(
        "--proposals",
        type=positive,
        metavar="N",
        help=f"score N overlapping proposals per image, the paper's setting (default of a sweep: "
        f"{PROPOSALS})",
    )
    parser.add_argument(
        "--sweep",
        metavar="NAME=VALUES",
        help="score at several values instead: alpha=0:0.6:0.1, seeds=10,20,50,100, or "
        "embedding_dim, which is that of each --model",
    )
    add_report_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Score every image of the split; after Ctrl-C, those that were done."""
    from rich.console import Console
    from rich.progress import track

    from streamseg.cli.class_table import print_classes, read_mapping
    from streamseg.datasets import open_dataset, with_mapping
    from streamseg.evaluate.provenance import Provenance, describe_ground_truth, held_out
    from streamseg.evaluate.report.page import make_folder
    from streamseg.evaluate.studies import walk
    from streamseg.loading import SHIPPED_MODEL

    models = arguments.model or [SHIPPED_MODEL]
    mapping = read_mapping(arguments.config)
    on_disk = open_dataset(arguments.data, arguments.split)
    data = with_mapping(on_disk, mapping)
    ids, training_note = held_out(
        data.ids, models, include_training_images=arguments.include_training_images
    )
    study, known = plan(arguments, models, data.class_names)
    print_classes([on_disk], mapping, known, "the model lacks it, AP 0")
    if arguments.out:
        make_folder(arguments.out)
    shown = track(ids, description="evaluating", console=Console(stderr=True))
    walked = walk(data, shown, study)
    if not study.images:
        return STOPPED
    table = study.score()
    shipped = f"{SHIPPED_MODEL.stem}, the shipped model"
    provenance = Provenance(
        streamseg_version=__version__,
        model=", ".join(shipped if m == SHIPPED_MODEL else str(m) for m in models),
        runtime=study.runtime,
        predictions=study.predictions + network_input(arguments),
        data=str(arguments.data),
        split=arguments.split,
        ground_truth=describe_ground_truth(arguments.data),
        images_in_split=len(data.ids),
        training_images=training_note,
        **walked,
    )
    print(table)
    for name, value in provenance.lines():
        print(f"{name}: {value}")
    if arguments.out:
        print(f"report: {study.write(arguments.out, provenance)}")
    return STOPPED if provenance.stopped else 0


def plan(
    arguments: argparse.Namespace, models: Sequence[Path], class_names: Sequence[str]
) -> tuple[Study[Any], tuple[str, ...]]:
    """Load the models, and choose the study that the options ask for.

    Args:
        arguments: of the command line.
        models: their files.
        class_names: of the data.

    Returns:
        The study, and the classes that every model knows of those of the data.

    Raises:
        ConfigError: options contradict each other, or a model knows no class of the data.
        ModelError: a model cannot be loaded.
    """
    from streamseg.evaluate.predictions import LEAST_SCORE
    from streamseg.evaluate.studies import OneSetting, ValueSweep
    from streamseg.evaluate.sweep import EMBEDDING_DIM, Sweep

    of_models = arguments.sweep == EMBEDDING_DIM
    sweep = Sweep.parse(arguments.sweep) if arguments.sweep and not of_models else None
    if sweep and sweep.name == "seeds" and arguments.proposals:
        raise ConfigError("--sweep seeds=... sets the number of proposals: leave out --proposals")
    if len(models) > 1 and not of_models:
        raise ConfigError(f"only --sweep {EMBEDDING_DIM} takes several models")
    segmenters = [
        load_for(
            m,
            class_names,
            size=arguments.size,
            max_pixels=arguments.max_pixels,
            min_score=LEAST_SCORE,
        )
        for m in models
    ]
    known = segmenters[0].config.class_names
    for segmenter in segmenters[1:]:
        known = shared_classes(known, segmenter.config.class_names)
    if of_models:
        sweep = Sweep.of_models(segmenters)
    if sweep is None:
        one = OneSetting(segmenters[0], class_names, arguments.proposals, arguments.min_area)
        return one, known
    proposals = arguments.proposals or PROPOSALS
    return ValueSweep(segmenters, class_names, sweep, proposals, arguments.min_area), known


def load_for(model: Path, class_names: Sequence[str], **options: Any) -> Segmenter:
    """Load a model for those of its classes that the data have.

    Raises:
        ConfigError: it has none of them.
        ModelError: it cannot be loaded.
    """
    from streamseg.loading import load

    segmenter = load(model, **options)
    own = segmenter.config.class_names
    shared = shared_classes(own, class_names)
    if not shared:
        raise ConfigError(
            f"{model} knows none of the classes of the data: it knows {', '.join(own)}, they are "
            f"{', '.join(class_names)}; rename classes in [classes] of --config"
        )
    if len(shared) == len(own):
        return segmenter
    segmenter.close()
    return load(model, classes=shared, **options)


def network_input(arguments: argparse.Namespace) -> str:
    """Describe the network's input, for the report."""
    if arguments.size:
        return "; network input {}x{}".format(*arguments.size)
    if arguments.max_pixels:
        return f"; network input of at most {arguments.max_pixels} px"
    return "; network input of the model's own size"

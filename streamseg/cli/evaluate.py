"""``streamseg eval``: score a model on pictures with instance masks."""

from __future__ import annotations

import argparse
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from streamseg import __version__
from streamseg.cli.arguments import picture_size, positive
from streamseg.errors import ConfigError

if TYPE_CHECKING:
    from argparse import _SubParsersAction
    from collections.abc import Callable

    from numpy.typing import NDArray

    from streamseg.datasets import InstanceDataset, Sample
    from streamseg.evaluate.overlap import Compared
    from streamseg.evaluate.provenance import Provenance
    from streamseg.evaluate.sweep import Sweep
    from streamseg.segmenter import Segmenter

Seen = TypeVar("Seen")

DESCRIPTION = """\
Scores of masks over the classes of PASCAL VOC: mAP^r (Hariharan et al. 2014), recall of
proposals, COCO's AP and kinds of mistakes. By default the disjoint instances that `streamseg run`
would give are scored, down to a score of 0.05. With --proposals, and in every sweep, it is the
overlapping proposals of the paper's own setting.

Pictures that the model was trained on, as listed in the .json beside its file, are left out.
If DIR holds a GROUND_TRUTH.txt that tells where the masks come from, the report quotes it."""
LEAST_SCORE = 0.05
"""Low enough that the precision-recall curve has its tail."""
PROPOSALS = 100
"""As many as the paper found to cover nearly every object."""


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "eval",
        help="score a model on pictures with instance masks",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="DIR",
        help="VOC or SBD folder, COCO folder or file",
    )
    parser.add_argument("--split", default="val", help="list of pictures in the folder (val)")
    parser.add_argument("--model", type=Path, help="an ONNX model; the shipped one by default")
    parser.add_argument(
        "--size", type=picture_size, metavar="WxH", help="network input, multiples of 32"
    )
    parser.add_argument(
        "--max-pixels", type=positive, metavar="N", help="most pixels of the network input"
    )
    parser.add_argument(
        "--min-area", type=int, default=0, metavar="PX", help="leave smaller objects out"
    )
    parser.add_argument(
        "--proposals",
        type=positive,
        metavar="N",
        help=f"score N overlapping proposals a picture, the paper's setting ({PROPOSALS} in a "
        "sweep of alpha)",
    )
    parser.add_argument(
        "--sweep",
        metavar="NAME=VALUES",
        help="score at several values instead: alpha=0:0.6:0.1 or seeds=10,20,50,100",
    )
    parser.add_argument(
        "--include-training-images",
        action="store_true",
        help="do not leave out what the model was trained on",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="write a report there, as HTML and JSON"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Score every picture of the split; Ctrl-C scores those that were done."""
    from streamseg.datasets import open_dataset
    from streamseg.evaluate.page import make_folder
    from streamseg.evaluate.provenance import describe_ground_truth, held_out
    from streamseg.evaluate.sweep import Sweep
    from streamseg.segmenter import SHIPPED_MODEL, load

    sweep = Sweep.parse(arguments.sweep) if arguments.sweep else None
    if sweep and sweep.name == "seeds" and arguments.proposals:
        raise ConfigError("--sweep seeds=... says how many proposals; leave --proposals out")
    if arguments.min_area < 0:
        raise ConfigError(f"--min-area must be 0 or more, got {arguments.min_area}")
    data = open_dataset(arguments.data, arguments.split)
    model = arguments.model or SHIPPED_MODEL
    ids, training_note = held_out(
        data.ids, model, include_training_images=arguments.include_training_images
    )
    facts = {
        "streamseg_version": __version__,
        "model": str(arguments.model or f"{model.stem}, the shipped model"),
        "data": str(arguments.data),
        "split": arguments.split,
        "ground_truth": describe_ground_truth(arguments.data),
        "images_in_split": len(data.ids),
        "training_images": training_note,
    }
    segmenter = load(
        model, size=arguments.size, max_pixels=arguments.max_pixels, min_score=LEAST_SCORE
    )
    if arguments.out:
        make_folder(arguments.out)
    if sweep:
        return _sweep(arguments, data, ids, segmenter, sweep, facts)
    return _evaluate(arguments, data, ids, segmenter, facts)


def _evaluate(
    arguments: argparse.Namespace,
    data: InstanceDataset,
    ids: tuple[str, ...],
    segmenter: Segmenter,
    facts: dict[str, Any],
) -> int:
    """Score one setting in every way."""
    from streamseg.evaluate.evaluation import CURVE_THRESHOLDS, evaluate
    from streamseg.evaluate.gallery import Gallery, picture_quality
    from streamseg.evaluate.page import percent
    from streamseg.evaluate.provenance import Provenance
    from streamseg.evaluate.report import write_report

    gallery = Gallery()

    def look(sample: Sample) -> Compared:
        masks, compared = _predict(segmenter, sample, arguments.proposals)
        if arguments.out:
            quality = picture_quality(compared, arguments.min_area)
            gallery.offer(quality, sample, masks, compared)
        return compared

    images, walked = _walk(data, ids, look)
    if not images:
        return 130
    evaluation = evaluate(images, arguments.min_area)
    setting = f"disjoint instances as in a stream, down to a score of {LEAST_SCORE}"
    if arguments.proposals:
        setting = f"the paper's setting: {arguments.proposals} overlapping proposals a picture"
    provenance = Provenance(**facts, **walked, predictions=setting + _input(arguments))
    print(evaluation.voc.table(CURVE_THRESHOLDS))
    recall = evaluation.recall.average_recall[-1]
    print(f"COCO AP: {percent(evaluation.coco.ap)}, average recall: {percent(recall)}")
    _print_facts(provenance)
    if arguments.out:
        write_report(arguments.out, evaluation, gallery, provenance)
        print(f"report: {arguments.out / 'report.html'}")
    return 130 if provenance.stopped else 0


def _sweep(
    arguments: argparse.Namespace,
    data: InstanceDataset,
    ids: tuple[str, ...],
    segmenter: Segmenter,
    sweep: Sweep,
    facts: dict[str, Any],
) -> int:
    """Score the values of one parameter."""
    from streamseg.evaluate.provenance import Provenance
    from streamseg.evaluate.sweep import score_sweep, sweep_table, write_sweep

    proposals = arguments.proposals or PROPOSALS
    images, walked = _walk(data, ids, lambda sample: sweep.compare(segmenter, sample, proposals))
    if not images:
        return 130
    rows = score_sweep(sweep, images, proposals, arguments.min_area)
    setting = "the paper's setting: overlapping proposals"
    if sweep.name == "alpha":
        setting += f", {proposals} a picture"
    provenance = Provenance(**facts, **walked, predictions=setting + _input(arguments))
    print(sweep_table(sweep, rows))
    _print_facts(provenance)
    if arguments.out:
        write_sweep(arguments.out, sweep, rows, provenance)
        print(f"report: {arguments.out / f'sweep-{sweep.name}.html'}")
    return 130 if provenance.stopped else 0


def _walk(
    data: InstanceDataset, ids: tuple[str, ...], look: Callable[[Sample], Seen]
) -> tuple[list[Seen], dict[str, Any]]:
    """Look at every picture under a progress bar; Ctrl-C ends it early.

    Returns:
        What was seen, and the fields of ``Provenance`` that tell what it was seen on.
    """
    from rich.console import Console
    from rich.progress import track

    from streamseg.evaluate.provenance import truth_digest

    seen: list[Seen] = []
    digests: list[bytes] = []
    stopped = False
    try:
        for image_id in track(ids, description="evaluating", console=Console(stderr=True)):
            sample = data.load(image_id)
            found = look(sample)
            digests.append(truth_digest(sample))
            seen.append(found)
    except KeyboardInterrupt:
        stopped = True
    return seen, {
        "ground_truth_sha256": sha256(b"".join(digests[: len(seen)])).hexdigest(),
        "images_evaluated": len(seen),
        "stopped": stopped,
    }


def _predict(
    segmenter: Segmenter, sample: Sample, proposals: int | None
) -> tuple[NDArray[np.bool_], Compared]:
    """Masks [K, H, W] for a picture, and how they lie on its objects."""
    from streamseg.evaluate.overlap import compare

    if proposals:
        p = segmenter.propose(sample.image, proposals)
        return p.masks, compare(sample.id, p.masks, p.class_id, p.score, sample, p.pick)
    found = segmenter(sample.image).instances
    masks = np.array([i.mask for i in found], np.bool_).reshape(-1, *sample.object_map.shape)
    classes = np.array([i.class_id for i in found], np.int64)
    scores = np.array([i.score for i in found], np.float32)
    return masks, compare(sample.id, masks, classes, scores, sample)


def _input(arguments: argparse.Namespace) -> str:
    """The options that change what the network sees."""
    if arguments.size:
        return "; network input {}x{}".format(*arguments.size)
    if arguments.max_pixels:
        return f"; network input of at most {arguments.max_pixels} px"
    return "; network input of the model's own size"


def _print_facts(provenance: Provenance) -> None:
    for name, value in provenance.lines():
        print(f"{name}: {value}")

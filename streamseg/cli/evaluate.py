"""``streamseg eval``: score a model on pictures with instance masks."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from streamseg.cli.arguments import picture_size, positive

if TYPE_CHECKING:
    from argparse import _SubParsersAction

DESCRIPTION = """\
Mean average precision of masks (mAP^r, Hariharan et al. 2014) over the classes of PASCAL VOC.
The instances are those that `streamseg run` would give, down to a score of 0.05."""
LEAST_SCORE = 0.05
"""Low enough that the precision-recall curve has its tail."""


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "eval",
        help="score a model on pictures with instance masks",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="folder in the VOC layout")
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
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the scores there too")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Score every picture of the split."""
    from rich.progress import track

    from streamseg.datasets import open_dataset
    from streamseg.evaluate.voc import VocEvaluator
    from streamseg.segmenter import load

    data = open_dataset(arguments.data, arguments.split)
    segmenter = load(
        arguments.model,
        size=arguments.size,
        max_pixels=arguments.max_pixels,
        min_score=LEAST_SCORE,
    )
    evaluator = VocEvaluator(min_area_px=arguments.min_area)
    for image_id in track(data.ids, description="evaluating"):
        sample = data.load(image_id)
        result = segmenter(sample.image)
        found = result.instances
        height, width = sample.object_map.shape
        masks = np.array([i.mask for i in found], np.bool_).reshape(-1, height, width)
        evaluator.add(
            image_id,
            masks,
            np.array([i.class_id for i in found], np.int64),
            np.array([i.score for i in found], np.float32),
            sample,
        )
    scores = evaluator.result()
    print(scores.table())
    if arguments.json:
        arguments.json.write_text(json.dumps(scores.to_json(), indent=1) + "\n", encoding="utf-8")
    return 0

"""Score tracking on synthetic clips.

    python -m benchmarks.scenes 20 --data VOC2012 --out scenes

After Ctrl-C the clips that were done are scored.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from streamseg import __version__
from streamseg.cli.arguments import (
    add_data_options,
    add_input_options,
    add_report_option,
    positive,
)
from streamseg.cli.main import run_command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.tracking_scenes.scenes import Scenes
    from benchmarks.tracking_scenes.scores import TrackingScores
    from benchmarks.tracking_scenes.study import TrackingStudy
    from streamseg.segmenter import Segmenter

TITLE: Final = "streamseg tracking"
NOTE: Final = (
    "Clips are made of the data set's own objects, cut out and moved over parts of its images "
    "without objects: they cross, hide, enter, leave, come near, and the camera shakes. All "
    "trackers get the same masks. HOTA, IDF1 and sMOTSA of masks, for all classes together, in "
    "percent. streamseg and ByteTrack leave out masks until a track is confirmed, each by its own "
    "rule."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=NOTE)
    parser.add_argument("clips", type=positive, metavar="N", help="number of clips")
    add_data_options(parser)
    parser.add_argument("--model", type=Path, help="an ONNX model (the shipped one)")
    add_input_options(parser)
    add_report_option(parser)
    parser.set_defaults(run=run)
    return run_command(parser.parse_args(arguments))


def run(arguments: argparse.Namespace) -> int:
    """Make clips, segment and track them, and score those that were done before Ctrl-C."""
    from benchmarks.tracking_scenes.scenes import Scenes
    from benchmarks.tracking_scenes.study import TrackingStudy
    from benchmarks.tracking_scenes.trackers import compared_trackers
    from streamseg.datasets import open_dataset
    from streamseg.evaluate.provenance import held_out
    from streamseg.evaluate.report.page import make_folder
    from streamseg.loading import SHIPPED_MODEL, load

    model = arguments.model or SHIPPED_MODEL
    data = open_dataset(arguments.data, arguments.split)
    ids, training_note = held_out(
        data.ids, [model], include_training_images=arguments.include_training_images
    )
    scenes = Scenes(dataset=data, ids=ids)
    segmenter = load(model, size=arguments.size, max_pixels=arguments.max_pixels)
    config = segmenter.config
    study = TrackingStudy(compared_trackers(config.class_names, config.score_thresholds))
    if arguments.out:
        make_folder(arguments.out)
    done = follow_clips(scenes, arguments.clips, segmenter, study)
    if not done:
        return 130
    stopped = done < arguments.clips
    about = [
        ("model", str(model)),
        ("runtime", segmenter.runtime.description),
        (
            "clips",
            f"{done} of {scenes.frames} frames, {scenes.width}x{scenes.height}"
            + ", STOPPED EARLY" * stopped,
        ),
        ("made of", f"{len(ids)} images in split {arguments.split} of {arguments.data}"),
        ("training images", training_note),
        ("streamseg", __version__),
    ]
    report(study.scores(), about, arguments.out)
    return 130 if stopped else 0


def follow_clips(scenes: Scenes, clips: int, segmenter: Segmenter, study: TrackingStudy) -> int:
    """Track clips 0, 1, ... under a progress bar; Ctrl-C ends it early.

    Returns:
        Number of clips done.
    """
    from rich.console import Console
    from rich.progress import Progress

    from benchmarks.tracking_scenes.study import segments_of

    done = 0
    try:
        with Progress(console=Console(stderr=True), transient=True) as progress:
            bar = progress.add_task("tracking", total=clips * scenes.frames)
            for number in range(clips):
                study.begin_clip()
                for frame in scenes.clip(number):
                    _, output = segmenter.examine(frame.image)
                    study.look(frame, segments_of(segmenter, output, frame.image))
                    progress.advance(bar)
                study.end_clip()
                done += 1
    except KeyboardInterrupt:
        pass
    return done


def report(
    scores: dict[str, TrackingScores], about: Sequence[tuple[str, str]], folder: Path | None
) -> None:
    """Print the scores; write ``tracking.html`` and ``tracking.json`` if there is a folder.

    Raises:
        SinkError: a file cannot be written.
    """
    from benchmarks.tracking_scenes.study import COLUMNS, table_rows
    from streamseg.evaluate.report.page import Page, Section, Table, write_page

    rows = table_rows(scores)
    width = max(len(name) for name in scores)
    print(" " * width + "".join(f"{column:>13}" for column in COLUMNS))
    for name, *cells in rows:
        print(f"{name:{width}}" + "".join(f"{cell:>13}" for cell in cells))
    for name, value in about:
        print(f"{name}: {value}")
    if folder:
        section = Section("Scores", NOTE, table=Table(["", *COLUMNS], rows))
        values: dict[str, Any] = {
            **dict(about),
            "scores": {name: score.to_json() for name, score in scores.items()},
        }
        page = Page(TITLE, about, [section])
        print(f"report: {write_page(folder, 'tracking', page, values)}")


if __name__ == "__main__":
    sys.exit(main())

"""``streamseg eval --scenes N``: score names over time on made clips."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, Final

from streamseg import __version__
from streamseg.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from streamseg.evaluate.scenes import Scenes
    from streamseg.evaluate.tracking_scores import TrackingScores
    from streamseg.evaluate.tracking_study import TrackingStudy
    from streamseg.segmenter import Segmenter

TITLE: Final = "streamseg tracking"
NOTE: Final = (
    "Clips made of the data set's own objects, cut out and moved over parts of its pictures "
    "without objects: they cross, hide, enter, leave, come near, and the camera shakes. All "
    "trackers follow the same masks. HOTA, IDF1 and sMOTSA of masks, whatever the classes, in "
    "percent. Ours and ByteTrack leave out masks until a track is confirmed, each by its own rule."
)


def run_scenes(arguments: argparse.Namespace) -> int:
    """Make clips, segment and follow them; Ctrl-C scores the clips that were done."""
    from streamseg.datasets import open_dataset
    from streamseg.evaluate.followers import compared_trackers
    from streamseg.evaluate.page import make_folder
    from streamseg.evaluate.provenance import held_out
    from streamseg.evaluate.scenes import Scenes
    from streamseg.evaluate.tracking_study import TrackingStudy
    from streamseg.loading import SHIPPED_MODEL, load

    for option in ("proposals", "sweep", "min_area"):
        if getattr(arguments, option):
            raise ConfigError(f"--{option.replace('_', '-')} is not for --scenes; leave it out")
    if arguments.model and len(arguments.model) > 1:
        raise ConfigError("--scenes scores one --model")
    model = arguments.model[0] if arguments.model else SHIPPED_MODEL
    data = open_dataset(arguments.data, arguments.split)
    ids, training_note = held_out(
        data.ids, [model], include_training_images=arguments.include_training_images
    )
    scenes = Scenes(dataset=data, ids=ids)
    segmenter = load(model, size=arguments.size, max_pixels=arguments.max_pixels)
    study = TrackingStudy(compared_trackers(segmenter.config.class_names))
    if arguments.out:
        make_folder(arguments.out)
    done = follow_clips(scenes, arguments.scenes, segmenter, study)
    if not done:
        return 130
    stopped = done < arguments.scenes
    about = [
        ("model", str(model)),
        ("runtime", segmenter.runtime.description),
        (
            "clips",
            f"{done} of {scenes.frames} frames, {scenes.width}x{scenes.height}"
            + ", STOPPED EARLY" * stopped,
        ),
        ("made of", f"{len(ids)} pictures in split {arguments.split} of {arguments.data}"),
        ("training pictures", training_note),
        ("streamseg", __version__),
    ]
    report(study.scores(), about, arguments.out)
    return 130 if stopped else 0


def follow_clips(scenes: Scenes, clips: int, segmenter: Segmenter, study: TrackingStudy) -> int:
    """Follow clips 0, 1, ... under a progress bar; Ctrl-C ends it early.

    Returns:
        Number of clips done.
    """
    from rich.console import Console
    from rich.progress import Progress

    from streamseg.evaluate.tracking_study import segments_of

    done = 0
    try:
        with Progress(console=Console(stderr=True), transient=True) as progress:
            bar = progress.add_task("tracking", total=clips * scenes.frames)
            for number in range(clips):
                study.begin_clip()
                for frame in scenes.clip(number):
                    study.look(frame, segments_of(segmenter(frame.image)))
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
    from streamseg.evaluate.page import facts, page, section, table, write_page
    from streamseg.evaluate.tracking_study import COLUMNS, table_rows

    rows = table_rows(scores)
    width = max(len(name) for name in scores)
    print(" " * width + "".join(f"{column:>13}" for column in COLUMNS))
    for name, *cells in rows:
        print(f"{name:{width}}" + "".join(f"{cell:>13}" for cell in cells))
    for name, value in about:
        print(f"{name}: {value}")
    if folder:
        shown = section("Scores", NOTE, table(["", *COLUMNS], rows))
        values: dict[str, Any] = {
            **dict(about),
            "scores": {name: score.to_json() for name, score in scores.items()},
        }
        body = [f"<h1>{TITLE}</h1>", facts(about), shown]
        print(f"report: {write_page(folder, 'tracking', page(TITLE, body), values)}")

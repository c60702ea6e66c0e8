"""Measure what tracking is worth, and each of its cues, on synthetic clips.

    python -m benchmarks.tracking --data VOC2012 --clips 20 --out tracking.json

All trackers get the same segments, of three kinds: the model's own masks; the true masks, each with
the model's embedding averaged over it; the true masks, each with a random vector of its object and
noise, like the embedding of a network that tells all objects apart. ByteTrack is that of the
package ``trackers`` (extra ``dev``). Prints Markdown tables; the last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.tracking_scenes.scenes import SceneFrame, Scenes
from benchmarks.tracking_scenes.study import (
    COLUMNS,
    TrackingStudy,
    segments_of,
    table_rows,
    true_segments,
)
from benchmarks.tracking_scenes.trackers import Follow, compared_trackers, our_tracker
from streamseg import __version__
from streamseg.cli.arguments import add_data_options
from streamseg.datasets import open_dataset, with_classes
from streamseg.evaluate.provenance import held_out
from streamseg.loading import SHIPPED_MODEL, load
from streamseg.results import NetworkOutput, Segments
from streamseg.tracking import Cues

CUES = ("embedding", "motion", "same_class", "reidentification")
# The squared distance between vectors of two objects is about 5: a low similarity.
LOOK_SCALE, LOOK_NOISE = 0.4, 0.1
OURS = "streamseg"


def main() -> None:
    """Make the clips, segment them once, and run every tracker on the segments."""
    parser = argparse.ArgumentParser(description="what tracking and its cues are worth")
    add_data_options(parser)
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", type=Path, default=SHIPPED_MODEL)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    data = open_dataset(arguments.data, arguments.split)
    ids, note = held_out(
        data.ids,
        [arguments.model],
        include_training_images=arguments.include_training_images,
    )
    print(f"images: {len(ids)}; {note}")
    segmenter = load(arguments.model, runtime="onnx")  # the same backend on every machine
    class_names = segmenter.config.class_names
    thresholds = segmenter.config.score_thresholds
    scenes = Scenes(dataset=with_classes(data, class_names), ids=ids, seed=arguments.seed)
    durations_ms: list[float] = []

    def timed() -> Follow:
        follow = our_tracker(class_names, thresholds)

        def follow_timed(segments: Segments, pts_seconds: float) -> list[int]:
            started = time.perf_counter()
            tracks = follow(segments, pts_seconds)
            durations_ms.append(1e3 * (time.perf_counter() - started))
            return tracks

        return follow_timed

    rivals = compared_trackers(class_names, thresholds)
    del rivals[OURS]
    makers: dict[str, Callable[[], Follow]] = {OURS: timed}
    for cue in CUES:
        makers[f"without {cue}"] = without(cue, class_names, thresholds)
    makers |= rivals
    studies = {
        "the model's own masks": TrackingStudy(makers),
        "true masks, the model's embedding under them": TrackingStudy(makers),
        "true masks, noise vectors": TrackingStudy(makers),
    }
    for number in range(arguments.clips):
        rng = np.random.default_rng(number)
        looks: NDArray[np.float64] | None = None
        for study in studies.values():
            study.begin_clip()
        for frame in scenes.clip(number):
            if looks is None:
                looks = rng.normal(0, LOOK_SCALE, (len(frame.class_of_track), 16))
            _, output = segmenter.examine(frame.image)
            noisy = looks + rng.normal(0, LOOK_NOISE, looks.shape)
            for study, segments in zip(
                studies.values(),
                (
                    segments_of(segmenter, output, frame.image),
                    true_segments(frame, mean_embeddings(frame, output)),
                    true_segments(frame, noisy.astype(np.float32)),
                ),
                strict=True,
            ):
                study.look(frame, segments)
        for study in studies.values():
            study.end_clip()
        print(f"clip {number + 1} of {arguments.clips}", flush=True)

    values: dict[str, Any] = {
        "streamseg": __version__,
        "python": platform.python_version(),
        "clips": arguments.clips,
        "seed": arguments.seed,
        "split": arguments.split,
        "tracking_ms_median": statistics.median(durations_ms),
    }
    for title, study in studies.items():
        scores = study.scores()
        print(f"\n{title}\n\n| | {' | '.join(COLUMNS)} |\n|---|{'---|' * len(COLUMNS)}")
        for row in table_rows(scores):
            print(f"| {' | '.join(row)} |")
        values[title] = {name: score.to_json() for name, score in scores.items()}
    print()
    text = json.dumps(values)
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n")


def without(
    cue: str, class_names: Sequence[str], thresholds: Sequence[float]
) -> Callable[[], Follow]:
    """Make streamseg's tracker with all cues but one."""
    return lambda: our_tracker(class_names, thresholds, Cues(**{cue: False}))


def mean_embeddings(frame: SceneFrame, output: NetworkOutput) -> NDArray[np.float32]:
    """Mean embedding [M, D] of each track's pixels; 0 for a track that is not visible."""
    dims, height, width = output.embeddings.shape
    rows = ((np.arange(height) + 0.5) * frame.track_map.shape[0] / height).astype(int)
    columns = ((np.arange(width) + 0.5) * frame.track_map.shape[1] / width).astype(int)
    tracks = frame.track_map[np.ix_(rows, columns)].ravel()
    pixels = output.embeddings.reshape(dims, -1)
    means = np.zeros((len(frame.class_of_track), dims), np.float32)
    for track in np.unique(tracks[tracks > 0]).tolist():
        means[track - 1] = pixels[:, tracks == track].mean(axis=1)
    return means


if __name__ == "__main__":
    main()

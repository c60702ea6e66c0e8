"""The studies of ``streamseg eval``: scores of one setting, or of several values of a parameter."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Generic, TypeVar

from streamseg.datasets import InstanceDataset, Sample
from streamseg.evaluate.evaluation import CURVE_THRESHOLDS, evaluate
from streamseg.evaluate.overlap import ImageComparison
from streamseg.evaluate.predictions import (
    LEAST_SCORE,
    compare_instances,
    compare_proposals,
    data_classes,
)
from streamseg.evaluate.provenance import Provenance, truth_digest
from streamseg.evaluate.report.gallery import Gallery, image_quality
from streamseg.evaluate.report.page import percent
from streamseg.evaluate.report.report import write_report
from streamseg.evaluate.sweep import Sweep, score_sweep, sweep_table, write_sweep
from streamseg.segmenter import Segmenter

Seen = TypeVar("Seen")


class Study(ABC, Generic[Seen]):
    """Collects predictions image by image, then scores them all.

    Attributes:
        predictions: which predictions are scored, for display.
        runtime: description of the runtimes, for display.
        images: results of ``look``; ``walk`` adds to it.
    """

    predictions: str

    def __init__(self, segmenters: Sequence[Segmenter], class_names: Sequence[str]) -> None:
        """Start without images; ``class_names`` are those of the data."""
        self.class_names = class_names
        self.images: list[Seen] = []
        self.runtime = ", ".join(dict.fromkeys(s.runtime.description for s in segmenters))

    @abstractmethod
    def look(self, sample: Sample) -> Seen:
        """Predict one image, and compare the predictions with its objects."""

    @abstractmethod
    def score(self) -> str:
        """Score ``images``, at least one; returns a table for display."""

    @abstractmethod
    def write(self, folder: Path, provenance: Provenance) -> Path:
        """Write a report of what ``score`` found.

        Returns:
            The page to open.

        Raises:
            SinkError: a file cannot be written.
        """


def walk(data: InstanceDataset, ids: Iterable[str], study: Study[Any]) -> dict[str, Any]:
    """Look at images one by one; Ctrl-C ends it early.

    Args:
        data: holds the images.
        ids: of those to look at.
        study: looks at them, and keeps what it saw.

    Returns:
        The fields of ``Provenance`` that tell what was seen.
    """
    digests: list[bytes] = []
    stopped = False
    try:
        for image_id in ids:
            sample = data.load(image_id)
            seen = study.look(sample)
            digests.append(truth_digest(sample))
            study.images.append(seen)
    except KeyboardInterrupt:
        stopped = True
    count = len(study.images)
    return {
        "ground_truth_sha256": sha256(b"".join(digests[:count])).hexdigest(),
        "images_evaluated": count,
        "stopped": stopped,
    }


class OneSetting(Study[ImageComparison]):
    """Every score of one model in one setting."""

    def __init__(
        self,
        segmenter: Segmenter,
        class_names: Sequence[str],
        proposals: int | None,
        min_area_px: int,
    ) -> None:
        """Score ``proposals`` overlapping proposals per image; disjoint instances if None."""
        super().__init__([segmenter], class_names)
        self._segmenter = segmenter
        self._proposals = proposals
        self._min_area_px = min_area_px
        self._gallery = Gallery(class_names)
        self.predictions = f"disjoint instances as in a stream, down to a score of {LEAST_SCORE}"
        if proposals:
            self.predictions = f"the paper's setting: {proposals} overlapping proposals per image"

    def look(self, sample: Sample) -> ImageComparison:
        """Predict one image."""
        if self._proposals:
            proposals = self._segmenter.propose(sample.image, self._proposals)
            class_of = data_classes(self._segmenter.config.class_names, self.class_names)
            masks, compared = compare_proposals(proposals, sample, class_of)
        else:
            masks, compared = compare_instances(self._segmenter, sample, self.class_names)
        self._gallery.offer(image_quality(compared, self._min_area_px), sample, masks, compared)
        return compared

    def score(self) -> str:
        """Compute mAP^r by class, COCO's AP and recall."""
        self._evaluation = evaluate(self.images, self.class_names, self._min_area_px)
        recall = self._evaluation.recall.average_recall[-1]
        return (
            f"{self._evaluation.voc.table(CURVE_THRESHOLDS)}\n"
            f"COCO AP: {percent(self._evaluation.coco.ap)}, average recall: {percent(recall)}"
        )

    def write(self, folder: Path, provenance: Provenance) -> Path:
        """Write the full report."""
        return write_report(folder, self._evaluation, self._gallery, provenance)


class ValueSweep(Study[list[ImageComparison]]):
    """mAP^r and recall at several values of one parameter, in the paper's setting."""

    def __init__(
        self,
        segmenters: Sequence[Segmenter],
        class_names: Sequence[str],
        sweep: Sweep,
        proposals: int,
        min_area_px: int,
    ) -> None:
        """Score ``proposals`` overlapping proposals per image where they are not what is swept."""
        super().__init__(segmenters, class_names)
        self._segmenters = segmenters
        self._sweep = sweep
        self._proposals = proposals
        self._min_area_px = min_area_px
        self.predictions = "the paper's setting: overlapping proposals"
        if sweep.name != "seeds":
            self.predictions += f", {proposals} per image"

    def look(self, sample: Sample) -> list[ImageComparison]:
        """Propose at every value."""
        return self._sweep.compare(self._segmenters, sample, self._proposals, self.class_names)

    def score(self) -> str:
        """Compute a row for each value."""
        self._rows = score_sweep(
            self._sweep, self.images, self.class_names, self._proposals, self._min_area_px
        )
        return sweep_table(self._sweep, self._rows)

    def write(self, folder: Path, provenance: Provenance) -> Path:
        """Write the table and a plot."""
        return write_sweep(folder, self._sweep, self._rows, provenance)

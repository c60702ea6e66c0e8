"""The paper's studies: mAP^r against the seeds' diversity, their number, the embedding's size.

Table 2 of the paper varies alpha, the weight of a seed's distance from the seeds before, in
equation (4); Table 3 the number of proposals. A network runs once per image: its output is grouped
again for each alpha, and the first n seeds of the largest number are those of n. Every size of the
embedding needs its own model.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from streamseg.datasets import Sample
from streamseg.errors import ConfigError
from streamseg.evaluate.overlap import ImageComparison
from streamseg.evaluate.predictions import compare_proposals, data_classes
from streamseg.evaluate.proposals import proposal_recall
from streamseg.evaluate.provenance import Provenance
from streamseg.evaluate.report.charts import line_chart
from streamseg.evaluate.report.page import Page, Section, Table, percent, write_page
from streamseg.evaluate.voc import VOLUME_THRESHOLDS, VocEvaluator, nullable
from streamseg.grouping.cpu import PAPER_ALPHA
from streamseg.segmenter import Segmenter

COLUMNS: Final = ("mAP^r@0.5", "mAP^r@0.6", "mAP^r@0.7", "mAP^r_vol", "AR")
EMBEDDING_DIM: Final = "embedding_dim"
_MOST_VALUES = 50


@dataclass(frozen=True)
class Sweep:
    """A parameter and its values."""

    name: str
    """``alpha``, ``seeds`` or ``embedding_dim``."""
    values: tuple[float, ...]
    """Rising; whole numbers but for alpha."""

    @classmethod
    def parse(cls, text: str) -> Sweep:
        """Read ``alpha=0:0.6:0.1`` (first, last, step) or ``seeds=10,20,50,100``.

        Raises:
            ConfigError: neither of these, or values that are not allowed.

        >>> Sweep.parse("alpha=0:0.6:0.2").values
        (0.0, 0.2, 0.4, 0.6)
        """
        name, _, listed = text.partition("=")
        if name not in ("alpha", "seeds"):
            raise ConfigError(f"a sweep is alpha=..., seeds=... or {EMBEDDING_DIM}, got {text!r}")
        try:
            values = sorted(set(_numbers(listed)))
        except ValueError as error:
            raise ConfigError(
                f"a sweep lists numbers (10,20,50) or first:last:step (0:0.6:0.1), got {listed!r}"
            ) from error
        if name == "seeds" and (values[0] < 1 or any(value % 1 for value in values)):
            raise ConfigError(f"seeds must be whole numbers from 1, got {listed}")
        if name == "alpha" and values[0] < 0:
            raise ConfigError(f"alpha must be 0 or more, got {listed}")
        return cls(name, tuple(values))

    @classmethod
    def of_models(cls, segmenters: Sequence[Segmenter]) -> Sweep:
        """Make a sweep over models that differ in the size D of their embedding.

        Raises:
            ConfigError: two of them have the same.
        """
        sizes = sorted(segmenter.config.embedding_dim for segmenter in segmenters)
        if len(set(sizes)) < len(sizes):
            raise ConfigError(
                f"a sweep of {EMBEDDING_DIM} needs models that differ in it, got "
                f"{', '.join(map(str, sizes))}; name one --model for each"
            )
        return cls(EMBEDDING_DIM, tuple(map(float, sizes)))

    def compare(
        self,
        segmenters: Sequence[Segmenter],
        sample: Sample,
        proposals: int,
        class_names: Sequence[str],
    ) -> list[ImageComparison]:
        """Propose at every value, from one run of each network.

        Args:
            segmenters: the models; one, unless the sweep is over models.
            sample: the image and its objects.
            proposals: number of proposals where it is not what is swept.
            class_names: of the data.
        """
        class_of = [data_classes(s.config.class_names, class_names) for s in segmenters]
        if self.name == EMBEDDING_DIM:
            by_size = np.argsort([segmenter.config.embedding_dim for segmenter in segmenters])
            return [
                compare_proposals(
                    segmenters[i].propose(sample.image, proposals), sample, class_of[i]
                )[1]
                for i in by_size
            ]
        if self.name == "alpha":
            most, alphas = proposals, self.values
        else:
            most, alphas = int(self.values[-1]), (PAPER_ALPHA,)
        compared = [
            compare_proposals(p, sample, class_of[0])[1]
            for p in segmenters[0].propose_each(sample.image, most, alphas)
        ]
        if self.name == "alpha":
            return compared
        return [compared[0].first(int(value)) for value in self.values]


def _numbers(text: str) -> list[float]:
    """``10,20`` or ``first:last:step``, the last included; rounded, so that 3 * 0.1 is 0.3."""
    if ":" not in text:
        values = [float(part) for part in text.split(",")]
    else:
        first, last, step = (float(part) for part in text.split(":"))
        count = (last - first) / step if step > 0 else math.nan
        if not 0 <= count < _MOST_VALUES:
            raise ValueError(f"not from 1 to {_MOST_VALUES} values")
        values = [first + step * i for i in range(math.floor(count + 1e-9) + 1)]
    if not all(math.isfinite(value) for value in values):
        raise ValueError("not finite")
    return [round(value, 9) for value in values]


@dataclass(frozen=True)
class SweepRow:
    """Scores at one value."""

    value: float
    scores: tuple[float, ...]
    """One for each of ``COLUMNS``, 0..1; nan without objects."""


def score_sweep(
    sweep: Sweep,
    images: Sequence[Sequence[ImageComparison]],
    class_names: Sequence[str],
    proposals: int,
    min_area_px: int = 0,
) -> list[SweepRow]:
    """Score every value.

    Args:
        sweep: which values.
        images: for each image what ``Sweep.compare`` returned, at least one.
        class_names: of the data.
        proposals: number of proposals where it is not what is swept; AR is at this number.
        min_area_px: objects with fewer pixels are ignored.
    """
    rows = []
    for i, value in enumerate(sweep.values):
        at_value = [image[i] for image in images]
        evaluator = VocEvaluator(class_names, VOLUME_THRESHOLDS, min_area_px)
        for image in at_value:
            evaluator.add(image)
        voc = evaluator.result()
        map_at = dict(zip(voc.thresholds, voc.map_r.tolist(), strict=True))
        count = int(value) if sweep.name == "seeds" else proposals
        recall = proposal_recall(at_value, [count], min_area_px)
        scores = (map_at[0.5], map_at[0.6], map_at[0.7], voc.map_vol, *recall.average_recall)
        rows.append(SweepRow(value, tuple(float(score) for score in scores)))
    return rows


def sweep_table(sweep: Sweep, rows: Sequence[SweepRow]) -> str:
    """The scores as text, in percent."""
    width = max(8, len(sweep.name))
    lines = [f"{sweep.name:>{width}}" + "".join(f"{name:>12}" for name in COLUMNS)]
    lines += [
        f"{row.value:>{width}g}" + "".join(f"{percent(score):>12}" for score in row.scores)
        for row in rows
    ]
    return "\n".join(lines)


def write_sweep(
    folder: Path, sweep: Sweep, rows: Sequence[SweepRow], provenance: Provenance
) -> Path:
    """Write ``sweep-alpha.html``, ``sweep-seeds.html``, ..., and JSON beside it.

    Returns:
        The page.

    Raises:
        SinkError: a file cannot be written.
    """
    by_column = list(zip(*(row.scores for row in rows), strict=True))
    chart = line_chart(
        {name: (sweep.values, scores) for name, scores in zip(COLUMNS, by_column, strict=True)},
        title=f"scores against {sweep.name}",
        x_label=sweep.name,
        y_label="score",
        x_range=(sweep.values[0], sweep.values[-1]),
        width=640,
        height=400,
        dots=True,
    )
    cells = [[f"{row.value:g}", *(percent(score) for score in row.scores)] for row in rows]
    note = (
        "The paper's setting: overlapping proposals, each with its whole mask. "
        "AR is the class-agnostic recall, mean over the IoUs 0.5, 0.55, ... 0.95. In percent."
    )
    section = Section("Scores", note, [chart], Table([sweep.name, *COLUMNS], cells))
    page = Page(f"streamseg sweep of {sweep.name}", provenance.lines(), [section])
    values: dict[str, Any] = {
        **provenance.to_json(),
        "parameter": sweep.name,
        "columns": list(COLUMNS),
        "rows": [
            {
                "value": row.value,
                "scores": nullable(row.scores),
            }
            for row in rows
        ],
    }
    return write_page(folder, f"sweep-{sweep.name}", page, values)

"""AP^r of a model on a data set, collected image by image.

The protocol, with all its choices, is written down in ``streamseg.evaluate.matching``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamseg.errors import InputError
from streamseg.evaluate.matching import Matches, average_precision, judge, match
from streamseg.evaluate.overlap import ImageComparison

VOLUME_THRESHOLDS: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""The thresholds whose mean is mAP^r_vol."""


@dataclass(frozen=True, eq=False)
class VocResult:
    """Average precision per class and IoU threshold, with what it was measured on.

    Row c-1 of every array over classes is class c, ``class_names[c - 1]``.
    """

    class_names: tuple[str, ...]
    """C names, those of the data."""
    thresholds: tuple[float, ...]
    """J values, rising."""
    ap: NDArray[np.float64]
    """[C, J], AP^r, 0..1; nan for a class without objects to find."""
    object_count: NDArray[np.int64]
    """[C], objects to find: those not below ``min_area_px``."""
    ignored_count: NDArray[np.int64]
    """[C], objects below ``min_area_px``."""
    prediction_count: NDArray[np.int64]
    """[C], all predictions, those left out of the judgement too."""
    image_count: int
    min_area_px: int

    @property
    def map_r(self) -> NDArray[np.float64]:
        """mAP^r [J]: mean of AP^r over the classes with objects to find; nan if there are none."""
        present = self.ap[self.object_count > 0]
        if not len(present):
            return np.full(len(self.thresholds), np.nan)
        mean: NDArray[np.float64] = present.mean(axis=0)
        return mean

    @property
    def map_vol(self) -> float:
        """mAP^r_vol: mean of mAP^r over ``VOLUME_THRESHOLDS``; nan unless all were judged at."""
        map_at = dict(zip(self.thresholds, self.map_r, strict=True))
        return float(np.mean([map_at.get(threshold, np.nan) for threshold in VOLUME_THRESHOLDS]))

    def table(self, columns: Sequence[float] | None = None) -> str:
        """The result as text: the classes that were seen, their mean; AP in percent.

        Args:
            columns: those of the thresholds to show; all if None.
        """
        shown = [j for j, at in enumerate(self.thresholds) if columns is None or at in columns]
        head = "".join(f"{f'AP@{self.thresholds[j]:g}':>8}" for j in shown)
        counted = self.object_count + self.ignored_count + self.prediction_count
        seen = np.flatnonzero(counted).tolist()
        width = max([12, *(len(self.class_names[c]) + 2 for c in seen)])
        lines = [f"{'class':<{width}}{'objects':>9}{'predicted':>11}{head}"]
        lines += [
            _row(
                f"{self.class_names[c]:<{width}}",
                self.object_count[c],
                self.prediction_count[c],
                self.ap[c, shown],
            )
            for c in seen
        ]
        total = self.object_count.sum(), self.prediction_count.sum()
        lines.append(_row(f"{'mean':<{width}}", *total, self.map_r[shown]))
        note = f"images: {self.image_count}"
        if self.min_area_px:
            note += f", objects under {self.min_area_px} px ignored: {self.ignored_count.sum()}"
        if not np.isnan(self.map_vol):
            note += f", mAP^r_vol: {100 * self.map_vol:.1f}"
        return "\n".join([*lines, note])

    def to_json(self) -> dict[str, Any]:
        """The result in JSON's own types.

        Returns:
            AP as lists that run parallel to ``thresholds``; null where there was nothing to find.
        """
        return {
            "images": self.image_count,
            "min_area_px": self.min_area_px,
            "thresholds": list(self.thresholds),
            "map_r": nullable(self.map_r),
            "map_vol": nullable([self.map_vol])[0],
            "classes": {
                name: {
                    "objects": int(self.object_count[c]),
                    "ignored_objects": int(self.ignored_count[c]),
                    "predictions": int(self.prediction_count[c]),
                    "ap": nullable(self.ap[c]),
                }
                for c, name in enumerate(self.class_names)
            },
        }


class VocEvaluator:
    """Collects predictions image by image and scores them by AP^r.

    It keeps seven numbers per prediction and two per class, and no pixels.

    Example::

        evaluator = VocEvaluator(dataset.class_names)
        for image_id in dataset.ids:
            sample = dataset.load(image_id)
            found = segmenter.propose(sample.image)
            evaluator.add(compare(image_id, found.masks, found.class_id, found.score, sample))
        print(evaluator.result().table())
    """

    def __init__(
        self,
        class_names: Sequence[str],
        thresholds: Sequence[float] = (0.5, 0.6, 0.7),
        min_area_px: int = 0,
    ) -> None:
        """Start without images.

        Args:
            class_names: of the data: class k (1..C) is ``class_names[k - 1]``.
            thresholds: IoUs to judge at, each in (0, 1]; ``VOLUME_THRESHOLDS`` for mAP^r_vol.
            min_area_px: objects with fewer pixels are ignored.

        Raises:
            InputError: no threshold, one outside (0, 1], or a negative area.
        """
        self.class_names = tuple(class_names)
        # rounded, so that 3 * 0.1 does not lie above an IoU of 3/10
        self.thresholds = tuple(sorted({round(float(value), 9) for value in thresholds}))
        self.min_area_px = min_area_px
        if not self.thresholds or not all(0 < threshold <= 1 for threshold in self.thresholds):
            raise InputError(f"thresholds must be IoUs in (0, 1], got {list(thresholds)}")
        if min_area_px < 0:
            raise InputError(f"min_area_px must be 0 or more, got {min_area_px}")
        self._ids: set[str] = set()
        self._matches: list[Matches] = []
        self._rows = len(self.class_names) + 1  # by class id; row 0, background, stays empty
        self._object_count = np.zeros(self._rows, np.int64)
        self._ignored_count = np.zeros(self._rows, np.int64)

    def add(self, compared: ImageComparison) -> None:
        """Add the predictions for one image, compared with its objects.

        Args:
            compared: see ``streamseg.evaluate.overlap.compare``; each image only once.

        Raises:
            InputError: the image came before, or a class is not 1..C.
        """
        if compared.image_id in self._ids:
            raise InputError(f"{compared.image_id!r} was added before")
        for classes in (compared.class_id, compared.class_of_object):
            if classes.max(initial=0) >= self._rows:
                raise InputError(
                    f"class_id of {compared.image_id!r} must be 1 to {self._rows - 1}, "
                    f"got {classes.max()}"
                )
        objects_before = int(self._object_count.sum() + self._ignored_count.sum())
        self._matches.append(match(compared, self.min_area_px, objects_before))
        objects = compared.class_of_object
        is_ignored = compared.overlap.object_px < self.min_area_px
        self._object_count += np.bincount(objects[~is_ignored], minlength=self._rows)
        self._ignored_count += np.bincount(objects[is_ignored], minlength=self._rows)
        self._ids.add(compared.image_id)

    def matches(self) -> Matches:
        """All predictions so far with their best objects, in the order they were added.

        Raises:
            InputError: no image was added.
        """
        if not self._matches:
            raise InputError("no image was added: there is nothing to score")
        return Matches.joined(self._matches)

    def result(self) -> VocResult:
        """Score all images added so far; more may follow.

        Raises:
            InputError: no image was added.
        """
        matches = self.matches()
        ap = np.full((len(self.class_names), len(self.thresholds)), np.nan)
        for c in range(1, self._rows):
            ranked = matches.ranked(c)
            ap[c - 1] = [
                average_precision(judge(ranked, threshold), int(self._object_count[c]))
                for threshold in self.thresholds
            ]
        return VocResult(
            class_names=self.class_names,
            thresholds=self.thresholds,
            ap=ap,
            object_count=self._object_count[1:].copy(),
            ignored_count=self._ignored_count[1:].copy(),
            prediction_count=np.bincount(matches.class_id, minlength=self._rows)[1:],
            image_count=len(self._ids),
            min_area_px=self.min_area_px,
        )


def _row(name: str, objects: int, predictions: int, ap: NDArray[np.float64]) -> str:
    cells = "".join(f"{'-' if np.isnan(value) else f'{100 * value:.1f}':>8}" for value in ap)
    return f"{name}{objects:>9}{predictions:>11}{cells}"


def nullable(values: Iterable[float]) -> list[float | None]:
    """Replace nan, which JSON lacks, by None."""
    return [None if np.isnan(value) else float(value) for value in values]

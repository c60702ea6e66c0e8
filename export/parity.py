"""Does an exported file still say what the network says? Figures for that, and bars to meet.

The reference is the network in torch at float32 (``torch_reference``), or what it once said
(``golden``). What is compared with it may be any runtime, so
that an engine can be held against the file it was built from by the same bars.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamseg.datasets import InstanceDataset
from streamseg.errors import InputError, ModelError
from streamseg.evaluate.predictions import compare_instances
from streamseg.evaluate.voc import VOLUME_THRESHOLDS, VocEvaluator, VocResult
from streamseg.grouping import GroupingConfig, find_segments
from streamseg.results import Image, NetworkOutput
from streamseg.runtime.base import Runtime
from streamseg.segmenter import Segmenter

LEAST_SCORE: Final = 0.05
"""Of the instances that are scored, as in ``streamseg eval``."""


@dataclass(frozen=True)
class Difference:
    """How far a tensor is off, over all pictures; NaN if anywhere it is not finite."""

    absolute: float
    """The largest difference of two values."""
    relative: float
    """The same as a part of the largest value that the reference has."""


@dataclass(frozen=True)
class Tolerance:
    """What is still the same model."""

    relative: float
    """Largest ``Difference.relative`` of either tensor."""
    label_agreement: float
    """Least ``Parity.label_agreement``."""


TOLERANCES: Final = {
    "fp32": Tolerance(relative=1e-3, label_agreement=0.999),
    "fp16": Tolerance(relative=0.02, label_agreement=0.995),
    "int8": Tolerance(relative=0.25, label_agreement=0.95),
}
"""By precision; for some dozens of pictures as the model will meet them."""


@dataclass(frozen=True)
class Parity:
    """One way to run a network held against another, on the same pictures."""

    embeddings: Difference
    logits: Difference
    label_agreement: float
    """Share of all pixels of all pictures to which both give the same class, background counted;
    instances grouped by ``find_segments`` with its defaults, at the size of the picture that the
    network sees. Which of two instances of one class a pixel belongs to is not asked."""
    pictures: int

    @property
    def tensors(self) -> dict[str, Difference]:
        """The differences by name."""
        return {"embeddings": self.embeddings, "logits": self.logits}

    def check(self, tolerance: Tolerance) -> None:
        """Refuse what is too far off.

        Args:
            tolerance: one of ``TOLERANCES``, or one's own.

        Raises:
            ModelError: says what is off, by how much, and what is allowed.
        """
        for name, difference in self.tensors.items():
            if np.isnan(difference.relative):
                raise ModelError(f"{name} hold NaN or infinity")
            if difference.relative > tolerance.relative:
                raise ModelError(
                    f"{name} differ by {difference.relative:.2g} of their largest value; "
                    f"{tolerance.relative:g} is allowed"
                )
        if self.label_agreement < tolerance.label_agreement:
            raise ModelError(
                f"{self.label_agreement:.2%} of the pixels keep their class; "
                f"{tolerance.label_agreement:.2%} must"
            )


def compare(reference: Runtime, candidate: Runtime, pictures: Sequence[Image]) -> Parity:
    """Run both on the same pictures.

    Args:
        reference: what is right, such as ``TorchReference``.
        candidate: the file or engine to check.
        pictures: RGB uint8 [H, W, 3], H and W multiples of 32.

    Raises:
        InputError: no pictures, or of a size that one of the two does not take.
    """
    if not pictures:
        raise InputError("a comparison needs pictures, got none")
    largest = np.zeros((2, 2))  # of |difference| and of |reference|, for both tensors
    same = pixels = 0
    for picture in pictures:
        truth, found = reference.run(picture), candidate.run(picture)
        largest = np.maximum(largest, _largest(truth, found))  # NaN stays
        if np.isfinite(largest).all():
            is_same = _class_map(truth, reference, picture) == _class_map(found, reference, picture)
            same += int(is_same.sum())
            pixels += is_same.size
    embeddings, logits = (Difference(float(a), float(a / scale)) for a, scale in largest)
    return Parity(
        embeddings=embeddings,
        logits=logits,
        label_agreement=same / pixels if np.isfinite(largest).all() else float("nan"),
        pictures=len(pictures),
    )


def _largest(truth: NetworkOutput, found: NetworkOutput) -> NDArray[np.float64]:
    """Of both tensors the largest |difference|, NaN if not finite, and |value| of the truth."""
    rows = []
    for right, given in ((truth.embeddings, found.embeddings), (truth.logits, found.logits)):
        finite = np.isfinite(given).all()
        rows.append((abs(given - right).max() if finite else np.nan, abs(right).max()))
    return np.array(rows)


def _class_map(output: NetworkOutput, runtime: Runtime, picture: Image) -> NDArray[np.int64]:
    """The class of every pixel of a picture, [H, W]; 0 is background."""
    height, width = picture.shape[:2]
    found = find_segments(output, runtime.config.taus, GroupingConfig(), height=height, width=width)
    classes: NDArray[np.int64] = np.append(0, found.class_id)[found.label_map]
    return classes


@dataclass(frozen=True, eq=False)
class AccuracyChange:
    """Scores before and after.

    mAP^r moves in jumps where a class has few objects: on 100 pictures of VOC's 20 classes a
    single detection is worth points.
    """

    reference: VocResult
    candidate: VocResult

    @property
    def points(self) -> float:
        """mAP^r at an IoU of 0.5 that was gained, in points of 100; below 0 if lost."""
        at = self.reference.thresholds.index(0.5)
        return float(100 * (self.candidate.map_r - self.reference.map_r)[at])

    @property
    def volume_points(self) -> float:
        """The same for AP^r_vol, the mean over nine IoUs, which is steadier."""
        return 100 * (self.candidate.map_vol - self.reference.map_vol)


def accuracy_change(
    reference: Runtime,
    candidate: Runtime,
    data: InstanceDataset,
    ids: Sequence[str],
    *,
    size: tuple[int, int] | None = None,
) -> AccuracyChange:
    """Score the disjoint instances of both, as ``streamseg eval`` does.

    Args:
        reference: what is right.
        candidate: the file or engine to check.
        data: pictures with objects, of the classes of PASCAL VOC.
        ids: of the pictures to score on.
        size: width and height of the network's input; needed where one takes no other.

    Raises:
        InputError: no pictures, or of a size that one of the two does not take.
        DataError: a picture or its objects cannot be read.
    """
    return AccuracyChange(
        *(score(runtime, data, ids, size=size) for runtime in (reference, candidate))
    )


def score(
    runtime: Runtime,
    data: InstanceDataset,
    ids: Sequence[str],
    *,
    size: tuple[int, int] | None = None,
) -> VocResult:
    """One half of ``accuracy_change``, for a reference that is compared with several files."""
    segmenter = Segmenter(runtime, size=size, grouping=GroupingConfig(min_score=LEAST_SCORE))
    evaluator = VocEvaluator(VOLUME_THRESHOLDS)
    for image_id in ids:
        _, compared = compare_instances(segmenter, data.load(image_id))
        evaluator.take(compared)
    return evaluator.result()

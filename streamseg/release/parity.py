"""Does an exported file still say what the network says? Figures for that, and bars to meet.

The reference of an export is the network in torch at float32 (``TorchRuntime.copy_of``). Nothing
here needs torch: an engine can be held against the file it was built from on the machine it runs
on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamseg.errors import InputError, ModelError
from streamseg.grouping.cpu import GroupingConfig, find_segments
from streamseg.results import Image, NetworkOutput
from streamseg.runtime.base import Runtime


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
    """Largest ``Difference.relative`` of any tensor."""
    sure_agreement: float
    """Least ``Parity.sure_agreement``."""


TOLERANCES: Final = {
    "fp32": Tolerance(relative=1e-3, sure_agreement=0.999),
    "fp16": Tolerance(relative=0.02, sure_agreement=0.995),
    "int8": Tolerance(relative=0.25, sure_agreement=0.95),
}
"""By precision; for some dozens of pictures as the model will meet them."""
TENSORS: Final = ("embeddings", "foreground", "classes")
"""Outputs of a network by name."""
TOSS_UP: Final = 0.01
"""An instance whose score lies so near to the least score may be there or not."""


@dataclass(frozen=True)
class Parity:
    """One way to run a network held against another, on the same pictures.

    Labels are the network's own, before grouping. The class of a pixel is that of the instance
    that it is grouped into, or background, by ``find_segments`` with its defaults, at the size of
    the picture that the network sees; which of two instances of one class is not asked.
    """

    embeddings: Difference
    foreground: Difference
    classes: Difference
    label_agreement: float
    """Share of the map's pixels, at every threshold, whose most probable class is the same."""
    class_agreement: float
    """Share of all pixels of all pictures that end in the same class. One large instance at the
    very threshold can cost most of a picture."""
    sure_agreement: float
    """The same, but a pixel also agrees if it would with a least score higher or lower by
    ``TOSS_UP``: what ``check`` judges by."""
    pictures: int

    @property
    def tensors(self) -> dict[str, Difference]:
        """The differences by name."""
        return {name: getattr(self, name) for name in TENSORS}

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
        if self.sure_agreement < tolerance.sure_agreement:
            raise ModelError(
                f"{self.sure_agreement:.2%} of the pixels keep their class; "
                f"{tolerance.sure_agreement:.2%} must"
            )


def compare(reference: Runtime, candidate: Runtime, pictures: Sequence[Image]) -> Parity:
    """Run both on the same pictures.

    Args:
        reference: what is right: ``TorchRuntime.copy_of``, or the file an engine was built from.
        candidate: the file or engine to check.
        pictures: RGB uint8 [H, W, 3], H and W multiples of 32.

    Raises:
        InputError: no pictures, or of a size that one of the two does not take.
    """
    if not pictures:
        raise InputError("a comparison needs pictures, got none")
    largest = np.zeros((len(TENSORS), 2))  # of |difference| and of |reference|
    same = np.zeros(2)  # pixels, as they are and toss-ups aside
    same_labels = labels = pixels = 0
    for picture in pictures:
        truth, found = reference.run(picture), candidate.run(picture)
        largest = np.maximum(largest, _largest(truth, found))  # NaN stays
        if np.isfinite(largest).all():
            same += _same_class(truth, found, reference, picture)
            pixels += picture.shape[0] * picture.shape[1]
            is_same = truth.distribution().argmax(1) == found.distribution().argmax(1)
            same_labels += int(is_same.sum())
            labels += is_same.size
    differences = (Difference(float(a), float(a / scale)) for a, scale in largest)
    counts = np.array([same_labels / max(labels, 1), *same / max(pixels, 1)])
    shares = counts if np.isfinite(largest).all() else np.full(3, np.nan)
    return Parity(
        **dict(zip(TENSORS, differences, strict=True)),
        label_agreement=float(shares[0]),
        class_agreement=float(shares[1]),
        sure_agreement=float(shares[2]),
        pictures=len(pictures),
    )


def _largest(truth: NetworkOutput, found: NetworkOutput) -> NDArray[np.float64]:
    """Of every tensor the largest |difference|, NaN if not finite, and |value| of the truth."""
    rows = []
    for name in TENSORS:
        right, given = getattr(truth, name), getattr(found, name)
        finite = np.isfinite(given).all()
        rows.append((abs(given - right).max() if finite else np.nan, abs(right).max()))
    return np.array(rows)


def _same_class(
    truth: NetworkOutput, found: NetworkOutput, runtime: Runtime, picture: Image
) -> NDArray[np.int64]:
    """Pixels of the same class [2]: as they are, and toss-ups aside."""
    right = _class_map(truth, runtime, picture)
    is_same = right == _class_map(found, runtime, picture)
    is_sure = is_same.copy()
    for shift in (-TOSS_UP, TOSS_UP):
        if not is_sure.all():
            is_sure |= right == _class_map(found, runtime, picture, shift)
    return np.array([is_same.sum(), is_sure.sum()])


def _class_map(
    output: NetworkOutput, runtime: Runtime, picture: Image, shift: float = 0.0
) -> NDArray[np.int64]:
    """The class of every pixel of a picture, [H, W]; 0 is background."""
    height, width = picture.shape[:2]
    config = GroupingConfig(min_score=GroupingConfig.min_score + shift)
    found = find_segments(output, runtime.config.taus, config, height=height, width=width)
    classes: NDArray[np.int64] = np.append(0, found.class_id)[found.label_map]
    return classes

"""Parity of an exported file with the network: measures and tolerances.

The reference of an export is the network in torch at float32 (``TorchRuntime.copy_of``). Nothing
here needs torch: on a vehicle, an engine can be compared with the file it was built from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamseg.errors import InputError, ModelError
from streamseg.frame import Image
from streamseg.grouping.cpu import GroupingConfig, find_segments
from streamseg.results import NetworkOutput
from streamseg.runtime.base import Runtime


@dataclass(frozen=True)
class Difference:
    """Difference of a tensor over all images; NaN if it is not finite anywhere."""

    absolute: float
    """The largest difference of two values."""
    relative: float
    """The same relative to the largest value of the reference."""


@dataclass(frozen=True)
class Tolerance:
    """Allowed differences."""

    relative: float
    """Largest ``Difference.relative`` of any tensor."""
    sure_agreement: float
    """Least ``Parity.sure_agreement``."""


TOLERANCES: Final = {
    "fp32": Tolerance(relative=1e-3, sure_agreement=0.999),
    "fp16": Tolerance(relative=0.02, sure_agreement=0.995),
    "int8": Tolerance(relative=0.25, sure_agreement=0.95),
}
"""By precision, for some dozens of typical images."""
TENSORS: Final = ("embeddings", "foreground", "classes")
"""Outputs of a network by name."""
SCORE_MARGIN: Final = 0.01
"""Instances whose scores differ from the score threshold by less than this may appear or not."""


@dataclass(frozen=True)
class Parity:
    """Comparison of two runtimes of a network on the same images.

    Labels are the network's own, before grouping. The class of a pixel is that of the instance
    that it is grouped into, or background, by ``find_segments`` with its defaults, at the size of
    the image that the network sees; instances of one class are not distinguished.
    """

    embeddings: Difference
    foreground: Difference
    classes: Difference
    label_agreement: float
    """Share of the map's pixels, at every threshold, whose most probable class is the same."""
    class_agreement: float
    """Share of all pixels of all images that end in the same class. One large instance at the
    threshold can change most of an image."""
    sure_agreement: float
    """The same, but a pixel also agrees if it does with a score threshold higher or lower by
    ``SCORE_MARGIN``. ``check`` uses this measure."""
    images: int

    @property
    def tensors(self) -> dict[str, Difference]:
        """The differences by name."""
        return {name: getattr(self, name) for name in TENSORS}

    def check(self, tolerance: Tolerance) -> None:
        """Refuse differences beyond a tolerance.

        Args:
            tolerance: one of ``TOLERANCES``, or another.

        Raises:
            ModelError: names the difference and the tolerance.
        """
        for name, difference in self.tensors.items():
            if np.isnan(difference.relative):
                raise ModelError(f"output {name} holds NaN or infinity")
            if difference.relative > tolerance.relative:
                raise ModelError(
                    f"output {name} differs by {difference.relative:.2g} of its largest value; "
                    f"{tolerance.relative:g} is allowed"
                )
        if self.sure_agreement < tolerance.sure_agreement:
            raise ModelError(
                f"{self.sure_agreement:.2%} of the pixels keep their class; "
                f"{tolerance.sure_agreement:.2%} must"
            )


def compare(reference: Runtime, candidate: Runtime, images: Sequence[Image]) -> Parity:
    """Run both runtimes on the same images.

    Args:
        reference: ``TorchRuntime.copy_of``, or the file an engine was built from.
        candidate: the file or engine to check.
        images: RGB uint8 [H, W, 3], H and W multiples of 32.

    Raises:
        InputError: no images, or of a size that one of the two does not take.
    """
    if not images:
        raise InputError("a comparison needs images, got none")
    largest = np.zeros((len(TENSORS), 2))  # of |difference| and of |reference|
    same = np.zeros(2)  # pixels, as they are and within the margin
    same_labels = labels = pixels = 0
    for image in images:
        truth, found = reference.run(image), candidate.run(image)
        largest = np.maximum(largest, _largest(truth, found))  # NaN stays
        if np.isfinite(largest).all():
            same += _same_class(truth, found, reference, image)
            pixels += image.shape[0] * image.shape[1]
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
        images=len(images),
    )


def _largest(truth: NetworkOutput, found: NetworkOutput) -> NDArray[np.float64]:
    """Per tensor, the largest |difference|, NaN if not finite, and |value| of the reference."""
    rows = []
    for name in TENSORS:
        right, given = getattr(truth, name), getattr(found, name)
        finite = np.isfinite(given).all()
        rows.append((abs(given - right).max() if finite else np.nan, abs(right).max()))
    return np.array(rows)


def _same_class(
    truth: NetworkOutput, found: NetworkOutput, runtime: Runtime, image: Image
) -> NDArray[np.int64]:
    """Count pixels of the same class [2]: as they are, and within ``SCORE_MARGIN``."""
    right = _class_map(truth, runtime, image)
    is_same = right == _class_map(found, runtime, image)
    is_sure = is_same.copy()
    for shift in (-SCORE_MARGIN, SCORE_MARGIN):
        if not is_sure.all():
            is_sure |= right == _class_map(found, runtime, image, shift)
    return np.array([is_same.sum(), is_sure.sum()])


def _class_map(
    output: NetworkOutput, runtime: Runtime, image: Image, shift: float = 0.0
) -> NDArray[np.int64]:
    """Compute the class of every pixel of an image, [H, W]; 0 is background."""
    height, width = image.shape[:2]
    config = GroupingConfig(min_score=GroupingConfig.min_score + shift)
    found = find_segments(output, runtime.config.taus, config, height=height, width=width)
    classes: NDArray[np.int64] = np.append(0, found.class_id)[found.label_map]
    return classes

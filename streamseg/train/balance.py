"""Balanced drawing of training images: by class, then by data set."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from streamseg.datasets import InstanceDataset
from streamseg.errors import DataError


class BalancedDraw:
    """Draws a class, then a data set that shows it, then one of that set's images of it."""

    def __init__(self, datasets: Sequence[InstanceDataset], balance: float) -> None:
        """Index the classes of all images.

        Args:
            datasets: all of them are drawn from.
            balance: a class is drawn with probability ∝ n^balance, n the number of images that
                show it; so is the data set, n being those of its images that show the class.
                At 1 an image is as likely as its number of classes, at 0 all classes are equally
                likely, and so are all data sets that show the class.

        Raises:
            DataError: a mask cannot be read, or no image shows an object.
        """
        images: dict[int, list[list[tuple[InstanceDataset, str]]]] = defaultdict(list)
        for data in datasets:
            of_class = defaultdict(list)
            for image_id, found in zip(data.ids, data.object_classes, strict=True):
                for class_id in set(found):
                    of_class[class_id].append((data, image_id))
            for class_id, shown in of_class.items():
                images[class_id].append(shown)
        if not images:
            raise DataError("no image of the data shows an object: there is nothing to learn")
        self._images = [images[class_id] for class_id in sorted(images)]
        self._class_probabilities = _probabilities(
            [sum(map(len, sets)) for sets in self._images], balance
        )
        self._set_probabilities = [
            _probabilities([len(shown) for shown in sets], balance) for sets in self._images
        ]

    def draw(self, rng: np.random.Generator) -> tuple[InstanceDataset, str]:
        """Draw an image: its data set and its id."""
        chosen = rng.choice(len(self._images), p=self._class_probabilities)
        sets = self._images[chosen]
        shown = sets[rng.choice(len(sets), p=self._set_probabilities[chosen])]
        return shown[rng.integers(len(shown))]


def _probabilities(counts: Sequence[int], balance: float) -> NDArray[np.float64]:
    """Probabilities ∝ counts^balance."""
    powers = np.array(counts, dtype=np.float64) ** balance
    probabilities: NDArray[np.float64] = powers / powers.sum()
    return probabilities

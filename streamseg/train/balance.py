"""Which pictures are learnt from: drawn by class and by data set, so that rare ones are seen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from streamseg.datasets import InstanceDataset, object_classes
from streamseg.errors import DataError


class BalancedDraw:
    """Draws a class, then a data set that shows it, then one of that set's pictures of it."""

    def __init__(self, datasets: Sequence[InstanceDataset], balance: float) -> None:
        """Index the classes of all pictures.

        Args:
            datasets: all of them are drawn from.
            balance: a class is drawn with probability ∝ n^balance, n the number of pictures that
                show it; so is the data set, n being those of its pictures that show the class.
                At 1 all pictures of objects are alike, at 0 all classes and all data sets are.

        Raises:
            DataError: a mask cannot be read, or no picture shows an object.
        """
        pictures: dict[int, list[list[tuple[InstanceDataset, str]]]] = defaultdict(list)
        for data in datasets:
            of_class = defaultdict(list)
            for image_id, found in zip(data.ids, object_classes(data), strict=True):
                for name in set(found):
                    of_class[name].append((data, image_id))
            for name, shown in of_class.items():
                pictures[name].append(shown)
        if not pictures:
            raise DataError("no picture of the data shows an object: there is nothing to learn")
        self._pictures = [pictures[name] for name in sorted(pictures)]
        self._class_odds = _odds([sum(map(len, sets)) for sets in self._pictures], balance)
        self._set_odds = [_odds([len(shown) for shown in sets], balance) for sets in self._pictures]

    def draw(self, rng: np.random.Generator) -> tuple[InstanceDataset, str]:
        """Draw a picture: its data set and its id."""
        chosen = rng.choice(len(self._pictures), p=self._class_odds)
        sets = self._pictures[chosen]
        shown = sets[rng.choice(len(sets), p=self._set_odds[chosen])]
        return shown[rng.integers(len(shown))]


def _odds(counts: Sequence[int], balance: float) -> NDArray[np.float64]:
    """Probabilities ∝ counts^balance."""
    powers = np.array(counts, dtype=np.float64) ** balance
    odds: NDArray[np.float64] = powers / powers.sum()
    return odds

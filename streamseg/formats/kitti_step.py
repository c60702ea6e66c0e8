"""KITTI-STEP panoptic maps: an RGB PNG for each frame.

Defined by DeepLab2 (g3doc/setup/kitti_step.md and data/utils/create_step_panoptic_maps.py, after
Weber et al. 2021, arXiv 2102.11859): R is the Cityscapes train id of the class, 255 where there is
none, and 256 G + B is the number of the instance.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from streamseg.formats.class_ids import ClassIds
from streamseg.formats.png_folder import PngFolder, numbered, painted
from streamseg.formats.track_numbers import TrackNumbers
from streamseg.formats.writer import ResultWriter
from streamseg.results import FrameResult

_NAMES = (
    "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign",
    "vegetation", "terrain", "sky", "person", "rider", "car", "truck", "bus", "train",
    "motorcycle", "bicycle",
)  # fmt: skip
TRAIN_IDS = {name: id_ for id_, name in enumerate(_NAMES)}
"""The train id of each of Cityscapes' 19 classes."""

VOID = 255
MOST_NUMBERS = 0xFFFF


class KittiStepWriter(ResultWriter):
    """Writes one panoptic map for each frame.

    A track keeps its number, counted from 1 within its class. KITTI-STEP itself tracks cars and
    persons only; other classes have numbers here too, which its metrics ignore. Road, sky and
    everything that streamseg does not segment is void. Instances of classes that Cityscapes lacks,
    of unconfirmed tracks, and of tracks beyond 65535 of a class are left out, counted and reported
    at the end.
    """

    def __init__(self, folder: str | Path) -> None:
        """Create the folder.

        Args:
            folder: need not exist; must not hold images already.

        Raises:
            SinkError: the folder cannot be used.
        """
        self._images = PngFolder(Path(folder))
        self._ids = ClassIds("KITTI-STEP", TRAIN_IDS)
        self._numbers = TrackNumbers(MOST_NUMBERS)

    def write(self, result: FrameResult) -> None:
        """Write the map of one frame.

        Raises:
            SinkError: it cannot be written.
        """
        classes, numbers = [], []
        for instance, train_id in self._ids.known_tracks(result):
            number = self._numbers.number(train_id, instance.track_id)
            if number is None:
                self._ids.leave_out(f"of tracks beyond {MOST_NUMBERS} of a class")
            else:
                classes.append((instance.label, train_id))
                numbers.append((instance.label, number))
        class_map = painted(result, classes, np.uint8(VOID))
        number_map = painted(result, numbers, np.uint16(0))
        high, low = (number_map >> 8).astype(np.uint8), (number_map & 255).astype(np.uint8)
        image = np.stack([class_map, high, low], axis=-1)
        self._images.save(numbered(result), Pillow.fromarray(image))

    def close(self) -> None:
        """Log what was left out."""
        self._images.close()
        self._ids.report()

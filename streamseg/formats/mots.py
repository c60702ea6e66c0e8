"""MOTS, multi-object tracking and segmentation, as text and as PNG.

Defined at https://www.vision.rwth-aachen.de/page/mots (quoted in TrackEval's docs/MOTS-format.txt):
an object's id is 1000 times its class (car 1, pedestrian 2) plus its number within the class, the
same in all frames. Frames count from 0 as in KITTI MOTS. Read by TrackEval (``KittiMOTS``) and
mots_tools. Id 10000, a region to ignore, is for ground truth only.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from streamseg import rle
from streamseg.claims import written_alone
from streamseg.formats.class_ids import ClassIds
from streamseg.formats.png_folder import PngFolder, numbered, painted
from streamseg.formats.track_numbers import TrackNumbers
from streamseg.formats.writer import ResultWriter, check_folder_of, saving
from streamseg.results import FrameResult, Instance

CLASSES = {"car": 1, "person": 2, "pedestrian": 2}
IDS_PER_CLASS = 1000


class _ObjectIds:
    """Ids of MOTS; other classes, and tracks from the 1000th of a class, are counted."""

    def __init__(self) -> None:
        self._ids = ClassIds("MOTS", CLASSES)
        self._numbers = TrackNumbers(IDS_PER_CLASS - 1)

    def known(self, result: FrameResult) -> list[tuple[Instance, int]]:
        found = []
        for instance, class_id in self._ids.known_tracks(result):
            number = self._numbers.number(class_id, instance.track_id)
            if number is None:
                self._ids.leave_out(f"of tracks beyond {IDS_PER_CLASS - 1} of a class")
            else:
                found.append((instance, IDS_PER_CLASS * class_id + number))
        return found

    def report(self) -> None:
        self._ids.report()


class MotsTextWriter(ResultWriter):
    """Writes a line ``time_frame id class_id img_height img_width rle`` for each instance.

    Lines are flushed frame by frame: a kill leaves whole frames. Instances of classes other than
    cars and persons, of unconfirmed tracks, and of tracks beyond the 999 of a class that fit the
    ids are left out, counted and reported at the end.
    """

    def __init__(self, path: str | Path) -> None:
        """Open the file.

        Args:
            path: file to create or overwrite; tools expect ``SEQUENCE.txt``.

        Raises:
            SinkError: the file cannot be created.
        """
        self._path = Path(path)
        check_folder_of(self._path)
        with saving(self._path), ExitStack() as stack:
            stack.enter_context(written_alone(self._path))
            self._file = open(self._path, "w", encoding="ascii", newline="\n")  # noqa: SIM115
            self._claim = stack.pop_all()
        self._object_ids = _ObjectIds()

    def write(self, result: FrameResult) -> None:
        """Append the instances of one frame.

        Raises:
            SinkError: they cannot be written.
        """
        known = self._object_ids.known(result)
        masks = rle.encode(result.label_map, [instance.label for instance, _ in known])
        height, width = result.label_map.shape
        lines = [
            f"{result.index} {id_} {id_ // IDS_PER_CLASS} {height} {width} {mask['counts']}\n"
            for (_, id_), mask in zip(known, masks, strict=True)
        ]
        with saving(self._path):
            self._file.write("".join(lines))
            self._file.flush()

    def close(self) -> None:
        """Close the file, and log what was left out.

        Raises:
            SinkError: a line that failed before fails again.
        """
        with self._claim, saving(self._path):
            self._file.close()
        self._object_ids.report()


class MotsPngWriter(ResultWriter):
    """Writes a 16-bit PNG for each frame: pixels are ids of objects, 0 where there is none.

    Instances without an id are left out, as by ``MotsTextWriter``.
    """

    def __init__(self, folder: str | Path) -> None:
        """Create the folder.

        Args:
            folder: need not exist; must not hold images already.

        Raises:
            SinkError: the folder cannot be used.
        """
        self._images = PngFolder(Path(folder))
        self._object_ids = _ObjectIds()

    def write(self, result: FrameResult) -> None:
        """Write the image of one frame.

        Raises:
            SinkError: it cannot be written.
        """
        known = self._object_ids.known(result)
        ids = painted(result, ((instance.label, id_) for instance, id_ in known), np.uint16(0))
        self._images.save(numbered(result), Pillow.fromarray(ids))

    def close(self) -> None:
        """Log what was left out."""
        self._images.close()
        self._object_ids.report()

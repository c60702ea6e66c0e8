"""PASCAL VOC's segmentations: two PNGs with a palette for each frame.

Defined by the VOC2012 development kit (devkit_doc, "Image Segmentation"; the palette is that of
VOCcode/VOClabelcolormap.m): ``SegmentationObject/`` numbers the objects of an image from 1,
``SegmentationClass/`` holds their classes 1 to 20; 0 is background and 255 void.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from streamseg.classes import VOC_CLASSES, voc_colours
from streamseg.errors import SinkError
from streamseg.files.atomic_write import atomic_write
from streamseg.formats.class_ids import ClassIds
from streamseg.formats.png_folder import PngFolder, numbered, painted
from streamseg.formats.writer import ResultWriter, check_parent, saving
from streamseg.results import FrameResult

MOST = 254
"""Objects of an image, and classes: a byte holds this many values besides background and void."""


class VocWriter(ResultWriter):
    """Writes ``SegmentationObject/000000.png`` and ``SegmentationClass/000000.png`` and so on.

    If the frames are images with names, the files have these names: the result of
    ``2007_000032.jpg`` is called ``2007_000032.png``, as VOC's tools expect.

    Objects are numbered from 1 in each frame, by falling score: tracks are lost. Instances of
    classes that VOC lacks, and those beyond the first 254 of a frame, are left out, counted and
    reported at the end. No pixel is void.

    A model with its own classes has classes 1 to C, at most 254; ``labelmap.txt`` names them, in
    the format of CVAT: ``name:red,green,blue::``, background first.
    """

    def __init__(self, folder: str | Path, class_names: Sequence[str] = ()) -> None:
        """Create the folder and the two in it.

        Args:
            folder: need not exist; the two folders in it must not hold images.
            class_names: of the model, see ``ClassIds``.

        Raises:
            SinkError: a folder cannot be used, or the format cannot hold the classes.
        """
        root = Path(folder)
        self._ids = ClassIds(
            "VOC", {name: id_ for id_, name in enumerate(VOC_CLASSES, 1)}, class_names
        )
        _check(root, self._ids.own_names)
        check_parent(root)
        with saving(root):
            root.mkdir(exist_ok=True)
        self._objects = PngFolder(root / "SegmentationObject")
        self._classes = PngFolder(root / "SegmentationClass")
        palette = voc_colours()
        self._palette = palette.tobytes()
        if names := self._ids.own_names:
            lines = ["# label:color_rgb:parts:actions"]
            lines += [
                f"{name}:{','.join(map(str, colour))}::"
                for name, colour in zip(("background", *names), palette.tolist(), strict=False)
            ]
            with saving(root), atomic_write(root / "labelmap.txt") as partial:
                partial.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def write(self, result: FrameResult) -> None:
        """Write the two images of one frame.

        Raises:
            SinkError: they cannot be written.
        """
        known = self._ids.known(result)
        for _ in known[MOST:]:
            self._ids.leave_out(f"beyond {MOST} in one frame")
        known = known[:MOST]
        name = result.frame.image_name or numbered(result)
        objects = ((instance.label, number) for number, (instance, _) in enumerate(known, 1))
        classes = ((instance.label, class_id) for instance, class_id in known)
        for images, values in ((self._objects, objects), (self._classes, classes)):
            image = Pillow.fromarray(painted(result, values, np.uint8(0)))
            image.putpalette(self._palette)
            images.save(name, image)

    def close(self) -> None:
        """Log what was left out."""
        self._objects.close()
        self._classes.close()
        self._ids.report()


def _check(root: Path, own_names: Sequence[str]) -> None:
    """Refuse classes that a byte cannot count, or that a line of ``labelmap.txt`` cannot name."""
    if len(own_names) > MOST:
        raise SinkError(
            f"cannot write {root}: the format voc holds at most {MOST} classes, and the model has "
            f"{len(own_names)}; choose some of them or another format, such as coco or jsonl"
        )
    if wrong := [name for name in own_names if ":" in name or name.startswith("#")]:
        raise SinkError(
            f"cannot write {root}: labelmap.txt cannot name the class {wrong[0]!r}; choose another "
            f"format, such as coco or jsonl"
        )

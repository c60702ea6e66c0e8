"""Detect the format of a data set on disk."""

from __future__ import annotations

from pathlib import Path

from streamseg.datasets.coco import CocoFile
from streamseg.datasets.interface import InstanceDataset
from streamseg.datasets.sbd import SbdLayout
from streamseg.datasets.splits import existing_splits
from streamseg.datasets.voc import LISTS, VocLayout
from streamseg.errors import DataError

_FOLDERS = {LISTS: "VOC", "inst": "SBD", "annotations": "COCO"}
"""Folders in the root that identify the format."""


def open_dataset(path: Path | str, split: str) -> InstanceDataset:
    """Open a data set of any supported format.

    A folder is VOC's if it holds ``ImageSets/Segmentation``, SBD's if it holds ``inst``, COCO's
    if it holds ``annotations``, looked for in this order. A ``.json`` file is a COCO file.

    Args:
        path: the folder or file.
        split: name of the split, such as ``train`` or ``val2017``. Ignored for a COCO file, which
            is one split.

    Raises:
        DataError: it is none of these, or it is and something is missing or broken.
    """
    root = Path(path)
    if root.is_file():
        if root.suffix != ".json":
            raise DataError(f"{root} is no data set: give a folder or the .json file of a COCO set")
        return CocoFile(root)
    kind = _kind(root)
    if kind == "VOC":
        return VocLayout(root, split)
    if kind == "SBD":
        return SbdLayout(root, split)
    if kind == "COCO":
        file = root / "annotations" / f"instances_{split}.json"
        if not file.is_file():
            there = existing_splits(file.parent, "instances_*.json")
            raise DataError(f"{file} does not exist; splits there are: {there}")
        return CocoFile(file)
    if not root.exists():
        raise DataError(f"{root} does not exist")
    marks = ", ".join(f"{mark} ({kind})" for mark, kind in _FOLDERS.items())
    raise DataError(f"{root} is no data set: it holds none of {marks}{_hint(root)}")


def _kind(root: Path) -> str | None:
    return next((kind for mark, kind in _FOLDERS.items() if (root / mark).is_dir()), None)


def _hint(root: Path) -> str:
    """Suggest a subfolder: users may give VOCdevkit instead of VOCdevkit/VOC2012."""
    for pattern in ("*/", "*/*/"):
        for nested in sorted(root.glob(pattern)):
            if _kind(nested):
                return f"; did you mean {nested}?"
    return ""

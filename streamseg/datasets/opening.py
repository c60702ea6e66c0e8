"""Detect the format of a data set on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from streamseg.datasets.cityscapes import LABELS, CityscapesFolder
from streamseg.datasets.coco import CocoFile
from streamseg.datasets.interface import InstanceDataset
from streamseg.datasets.labelme import LabelMeFolder, is_labelme_folder
from streamseg.datasets.sbd import SbdLayout
from streamseg.datasets.splits import existing_splits
from streamseg.datasets.voc import LISTS, VocLayout
from streamseg.datasets.yolo import YoloFolder
from streamseg.datasets.yolo_yaml import find_yaml
from streamseg.errors import DataError

Opener: TypeAlias = Callable[[Path, str], InstanceDataset]
"""Opens one split of a data set."""


def open_dataset(path: Path | str, split: str) -> InstanceDataset:
    """Open a data set of any supported format; the package's docstring lists how it is recognised.

    Args:
        path: the folder or file.
        split: name of the split, such as ``train`` or ``val2017``. Ignored for a COCO file, which
            is one split.

    Raises:
        DataError: it is not a data set, or something of it is missing or broken.
    """
    root = Path(path)
    if not root.exists():
        raise DataError(f"{root} does not exist")
    opener = _opener_of_file(root) if root.is_file() else _opener_of_folder(root)
    if opener:
        return opener(root, split)
    if root.is_file():
        raise DataError(
            f"{root} is not a data set: give a folder, the .json file of a COCO set or the .yaml "
            "file of a YOLO set"
        )
    marks = ", ".join(f"{mark} ({kind})" for mark, (kind, _) in _FOLDERS.items())
    raise DataError(
        f"{root} is not a data set: it holds none of {marks}, no data.yaml (YOLO) and no .json "
        f"files of LabelMe{_hint(root)}"
    )


def _open_coco_folder(root: Path, split: str) -> InstanceDataset:
    file = root / "annotations" / f"instances_{split}.json"
    if not file.is_file():
        there = existing_splits(file.parent, "instances_*.json")
        raise DataError(f"{file} does not exist; splits there are: {there}")
    return CocoFile(file)


_FOLDERS: dict[str, tuple[str, Opener]] = {
    LISTS: ("VOC", VocLayout),
    "inst": ("SBD", SbdLayout),
    "annotations": ("COCO", _open_coco_folder),
    LABELS: ("Cityscapes", CityscapesFolder),
}
"""By what is in its root: the format of a data set, and what opens it."""


def _opener_of_file(file: Path) -> Opener | None:
    if file.suffix == ".json":
        return lambda path, _: CocoFile(path)
    return YoloFolder if file.suffix in (".yaml", ".yml") else None


def _opener_of_folder(root: Path) -> Opener | None:
    for mark, (_, opener) in _FOLDERS.items():
        if (root / mark).is_dir():
            return opener
    if file := find_yaml(root):
        return lambda _, split: YoloFolder(file, split)
    return LabelMeFolder if is_labelme_folder(root) else None


def _hint(root: Path) -> str:
    """Suggest a subfolder: users may give VOCdevkit instead of VOCdevkit/VOC2012."""
    for pattern in ("*/", "*/*/"):
        for nested in sorted(root.glob(pattern)):
            if _opener_of_folder(nested):
                return f"; did you mean {nested}?"
    return ""

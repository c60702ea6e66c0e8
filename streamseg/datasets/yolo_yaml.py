"""The ``data.yaml`` of a YOLO data set: names of the classes, and where images and labels are."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from streamseg.errors import DataError
from streamseg.files.text import read_text, read_yaml
from streamseg.video.image_files import IMAGE_SUFFIXES

_SPLITS = {"train": ("train",), "val": ("val", "valid", "validation"), "test": ("test",)}
"""By what keys and folders the usual splits are known."""


class Description(NamedTuple):
    """What a ``data.yaml`` says about one split."""

    names: list[str]
    """Of class 0, 1, ..."""
    root: Path
    images: list[Path]
    """Sorted."""


def find_yaml(root: Path) -> Path | None:
    """The description in a folder: ``data.yaml``, or the only YAML file there that has names.

    Raises:
        DataError: a YAML file cannot be read.
    """
    if (root / "data.yaml").is_file():
        return root / "data.yaml"
    files = [*root.glob("*.yaml"), *root.glob("*.yml")]
    named = [file for file in files if "\nnames:" in "\n" + read_text(file, DataError)]
    return named[0] if len(named) == 1 else None


def labels_of(image: Path) -> Path:
    """The label file of an image: the last folder ``images`` of its path becomes ``labels``."""
    folders = list(image.parent.parts)
    if "images" in folders:
        folders[len(folders) - 1 - folders[::-1].index("images")] = "labels"
    return Path(*folders, image.name).with_suffix(".txt")


def read_description(file: Path, split: str) -> Description:
    """Read the description of one split.

    What the file names may be a folder, with all images below it, a text file with one path per
    line, or a list of both. If it names no split at all, these folders are looked for: ``images``
    with a folder of the split's name in it, such a folder with ``images`` in it, ``images`` alone.

    Raises:
        DataError: the file is broken, lacks the split, or names something that does not exist;
            there is no image.
    """
    values = read_yaml(file, DataError)
    if not isinstance(values, dict):
        raise DataError(f"{file} is not a description of a YOLO data set: it must hold names")
    root = _root(file, values.get("path"))
    places = _places(file, root, values, split)
    images = sorted({image for place in places for image in _images_at(file, root, place)})
    if not images:
        raise DataError(f"{file}: split {split!r} has no image")
    return Description(_names(file, values.get("names")), root, images)


def _names(file: Path, names: object) -> list[str]:
    if isinstance(names, dict):
        if sorted(names, key=str) != sorted(range(len(names)), key=str):
            raise DataError(f"{file}: names must be numbered 0, 1, ..., got {list(names)}")
        names = [names[number] for number in range(len(names))]
    if not isinstance(names, list):
        raise DataError(f"{file}: names must be a list, or a table by number, got {names!r}")
    for name in names:
        if not isinstance(name, str):  # YAML reads 7 as a number and no as false
            raise DataError(f"{file}: names must be text, got {name!r}; put it in quotes")
    return list(names)


def _root(file: Path, path: object) -> Path:
    """The folder that paths start from: ``path``, or where the file is if that is elsewhere."""
    if path is not None and not isinstance(path, str):
        raise DataError(f"{file}: path must be text, got {path!r}")
    root = file.parent / (path or "")
    return root if root.is_dir() else file.parent


def _places(file: Path, root: Path, values: Mapping[Any, object], split: str) -> list[str]:
    """What the file says about a split, or what is usual if it says nothing about any."""
    keys = _SPLITS.get(split, (split,))
    known = [key for others in _SPLITS.values() for key in others if values.get(key)]
    if not known:
        usual = [f"images/{key}" for key in keys] + [f"{key}/images" for key in keys]
        return [next((place for place in usual if (root / place).is_dir()), "images")]
    found = next((values[key] for key in keys if values.get(key)), None)
    if found is None:
        raise DataError(f"{file} has no split {split!r}; splits there are: {', '.join(known)}")
    places = found if isinstance(found, list) else [found]
    if wrong := [place for place in places if not isinstance(place, str)]:
        raise DataError(f"{file}: {split} must be a path or a list of paths, got {wrong[0]!r}")
    return [str(place) for place in places]


def _images_at(file: Path, root: Path, place: str) -> Iterator[Path]:
    # exports of Roboflow say ../train/images and mean train/images
    path = next((p for p in (root / place, root / place.removeprefix("../")) if p.exists()), None)
    if path is None:
        raise DataError(f"{file} names {place}, but {root / place} does not exist")
    if path.is_dir():
        for folder, _, names in os.walk(path, followlinks=True):
            yield from (Path(folder, name) for name in names if _is_image(name))
        return
    for number, line in enumerate(read_text(path, DataError).splitlines(), start=1):
        if name := line.strip():
            # Ultralytics starts from the list's folder, CVAT from the root
            found = [base / name for base in (path.parent, root) if (base / name).is_file()]
            if not found:
                raise DataError(f"{path}: line {number}: {path.parent / name} does not exist")
            yield found[0]


def _is_image(name: str) -> bool:
    return not name.startswith(".") and Path(name).suffix.lower() in IMAGE_SUFFIXES

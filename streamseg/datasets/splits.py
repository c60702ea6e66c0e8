"""Lists of a data set's images, and a check that their files exist."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from streamseg.errors import DataError
from streamseg.files.text import read_text
from streamseg.video.image_files import IMAGE_SUFFIXES


def read_split(folder: Path, split: str) -> tuple[str, ...]:
    """The ids that ``{folder}/{split}.txt`` lists, one per line.

    Raises:
        DataError: the file is missing or unreadable, lists nothing or one id twice.
    """
    path = folder / f"{split}.txt"
    if not path.is_file():
        raise DataError(
            f"{path} does not exist; splits there are: {existing_splits(folder, '*.txt')}"
        )
    ids = tuple(line.strip() for line in read_text(path, DataError).splitlines() if line.strip())
    check_ids(path, ids)
    return ids


def existing_splits(folder: Path, pattern: str) -> str:
    """The names between the fixed parts of ``pattern`` of all files that match it."""
    before, after = pattern.split("*")
    names = (file.name[len(before) : -len(after)] for file in folder.glob(pattern))
    return ", ".join(sorted(names)) or "none"


def existing_folders(folder: Path) -> str:
    """The names of all folders in ``folder``."""
    there = folder.iterdir() if folder.is_dir() else ()
    return ", ".join(sorted(path.name for path in there if path.is_dir())) or "none"


def check_ids(path: Path, ids: Sequence[str]) -> None:
    """Refuse an empty list or one that repeats an image, which would distort scores.

    Raises:
        DataError: the list is empty or repeats an id.
    """
    if not ids:
        raise DataError(f"{path} lists no image")
    seen: set[str] = set()
    for image_id in ids:
        if image_id in seen:
            raise DataError(f"{path} lists {image_id} twice")
        seen.add(image_id)


def find_images(folder: Path, ids: Sequence[str], split: str) -> dict[str, Path]:
    """Find the images of a folder by their names without ending; of several, ``.jpg`` is taken.

    Args:
        folder: where the images are.
        ids: their names, which may begin with subfolders.
        split: whose images they are.

    Raises:
        DataError: the folder or an image does not exist.
    """
    there: dict[Path, Path] = {}
    for parent in {(folder / image_id).parent for image_id in ids}:
        for path in sorted(parent.iterdir() if parent.is_dir() else ()):
            if path.suffix.lower() in IMAGE_SUFFIXES:
                key = parent / path.stem
                there[key] = path if path.suffix == ".jpg" else there.get(key, path)
    names = [there.get(folder / image_id, folder / f"{image_id}.jpg").name for image_id in ids]
    places = [str(Path(image_id).parent / name) for image_id, name in zip(ids, names, strict=True)]
    check_files(folder, places, split)
    return {image_id: folder / place for image_id, place in zip(ids, places, strict=True)}


def check_files(folder: Path, names: Sequence[str], split: str) -> None:
    """Check that files exist, with one listing per folder, which is fast on network drives.

    Args:
        folder: where the files are.
        names: of the files, which may begin with subfolders.
        split: whose files they are.

    Raises:
        DataError: the folder or a file does not exist.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} does not exist")
    there = {
        path
        for parent in {(folder / name).parent for name in names}
        if parent.is_dir()
        for path in parent.iterdir()
    }
    missing = [path for path in (folder / name for name in names) if path not in there]
    if missing:
        raise DataError(
            f"{missing[0]} does not exist "
            f"({len(missing)} of the {len(names)} images of split {split!r} have no file there)"
        )

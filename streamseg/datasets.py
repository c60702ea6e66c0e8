"""Data sets in the layout of the PASCAL VOC devkit, read for training and for evaluation.

::

    root/
      ImageSets/Segmentation/{split}.txt   one image id per line
      JPEGImages/{id}.jpg
      SegmentationObject/{id}.png          indices: 0 background, k the k-th object, 255 void
      SegmentationClass/{id}.png           indices: 0 background, 1..20 a class, 255 void

The pictures themselves are opened one at a time, by ``load``; what can be known without opening
them (folders, splits, missing files) is checked when the data set is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import UnidentifiedImageError

from streamseg.classes import VOC_CLASSES
from streamseg.errors import DataError
from streamseg.results import Image

VOID: Final = 255
"""Pixels of this value belong to nothing that can be judged: rims, groups, doubtful areas."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ObjectMaps:
    """The objects of one picture."""

    id: str
    """Name of the picture, without folder and ending."""
    object_map: NDArray[np.uint8]
    """[H, W]: 0 background, k the k-th object (k = 1..M without gaps), 255 void."""
    class_of_object: NDArray[np.int64]
    """[M], 1..20: the class of object k at k-1."""

    def __len__(self) -> int:
        """Number of objects M."""
        return len(self.class_of_object)


@dataclass(frozen=True, eq=False, kw_only=True)
class Sample(ObjectMaps):
    """One picture and its objects."""

    image: Image
    """RGB uint8 [H, W, 3]."""


class VocLayout:
    """One split of a data set in the VOC devkit's layout.

    Holds only paths and ids: cheap to pickle into data-loading workers.

    Attributes:
        root: the folder that holds ``ImageSets``.
        split: name of the split.
        ids: the ids of its images, in the order of the split file.
    """

    def __init__(self, root: Path | str, split: str) -> None:
        """Read the split and check that every file it needs is there.

        Args:
            root: the folder that holds ``ImageSets``, for instance ``VOCdevkit/VOC2012``.
            split: which ``ImageSets/Segmentation/{split}.txt`` to read.

        Raises:
            DataError: a folder, the split file, a picture or a mask is missing; the split is
                empty or names an image twice.
        """
        self.root = Path(root)
        self.split = split
        self.ids = _read_split(self.root, split)
        for folder, ending in (
            ("JPEGImages", "jpg"),
            ("SegmentationObject", "png"),
            ("SegmentationClass", "png"),
        ):
            _check_files(self.root / folder, ending, self.ids, split)

    def __len__(self) -> int:
        """Number of images."""
        return len(self.ids)

    def load(self, id_or_index: str | int) -> Sample:
        """Read one picture and its objects.

        Args:
            id_or_index: an image id, or a position in ``ids``.

        Returns:
            The picture as RGB and its objects, numbered without gaps.

        Raises:
            DataError: a file is unreadable, its values are not allowed or sizes differ.
        """
        maps = self.load_maps(id_or_index)
        path = self.root / "JPEGImages" / f"{maps.id}.jpg"
        image = _read_picture(path)
        _check_size(path, image, self._object_path(maps.id), maps.object_map)
        return Sample(
            id=maps.id,
            object_map=maps.object_map,
            class_of_object=maps.class_of_object,
            image=image,
        )

    def load_maps(self, id_or_index: str | int) -> ObjectMaps:
        """Read the objects of one picture, not the picture itself.

        The class of an object is the one that most of its pixels have in the class map;
        background and void have no vote, and a tie goes to the lower class.

        Args:
            id_or_index: an image id, or a position in ``ids``.

        Returns:
            The objects, numbered without gaps in the order of their values in the file.

        Raises:
            DataError: a file is unreadable, its values are not allowed or sizes differ.
        """
        image_id = id_or_index if isinstance(id_or_index, str) else self.ids[id_or_index]
        object_path = self._object_path(image_id)
        class_path = self.root / "SegmentationClass" / f"{image_id}.png"
        values = _read_indices(object_path)
        classes = _read_indices(class_path)
        _check_size(class_path, classes, object_path, values)

        inside = (values != 0) & (values != VOID)
        pairs = values[inside].astype(np.intp) * 256 + classes[inside]
        pixels = np.bincount(pairs, minlength=256 * 256).reshape(256, 256)  # [object, class]
        unknown = np.flatnonzero(pixels[:, len(VOC_CLASSES) + 1 : VOID].any(axis=0))
        if unknown.size:
            raise DataError(
                f"{class_path} holds class {unknown[0] + len(VOC_CLASSES) + 1}; allowed are "
                f"0 (background), 1 to {len(VOC_CLASSES)} and {VOID} (void)"
            )

        old_values = np.flatnonzero(pixels.any(axis=1))
        votes = pixels[old_values, 1 : len(VOC_CLASSES) + 1]  # [M, C]
        unvoted = old_values[~votes.any(axis=1)]
        if unvoted.size:
            raise DataError(
                f"{class_path}: no pixel of object {unvoted[0]} of {object_path} has a class"
            )
        new_value = np.zeros(256, np.uint8)
        new_value[old_values] = np.arange(1, len(old_values) + 1)
        new_value[VOID] = VOID
        return ObjectMaps(
            id=image_id,
            object_map=new_value[values],
            class_of_object=votes.argmax(axis=1).astype(np.int64) + 1,
        )

    def _object_path(self, image_id: str) -> Path:
        return self.root / "SegmentationObject" / f"{image_id}.png"


def object_classes(dataset: VocLayout) -> list[tuple[int, ...]]:
    """The classes of the objects of every image: what class-balanced drawing needs to know.

    Reads only the masks, about 2 ms an image.

    Args:
        dataset: the data set to look through.

    Returns:
        For each image of ``dataset.ids`` the classes (1..20) of its objects, one entry an object.

    Raises:
        DataError: a mask is unreadable or its values are not allowed.
    """
    return [tuple(dataset.load_maps(image_id).class_of_object.tolist()) for image_id in dataset.ids]


def _read_split(root: Path, split: str) -> tuple[str, ...]:
    """The ids that ``ImageSets/Segmentation/{split}.txt`` lists."""
    folder = root / "ImageSets" / "Segmentation"
    if not folder.is_dir():
        raise DataError(f"{folder} does not exist{_nested_root(root)}")
    path = folder / f"{split}.txt"
    if not path.is_file():
        splits = ", ".join(sorted(file.stem for file in folder.glob("*.txt"))) or "none"
        raise DataError(f"{path} does not exist; splits there are: {splits}")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    ids = tuple(line.strip() for line in lines if line.strip())
    if not ids:
        raise DataError(f"{path} lists no image")
    seen: set[str] = set()
    for image_id in ids:
        if image_id in seen:  # counted twice, it would bend every score
            raise DataError(f"{path} lists {image_id} twice")
        seen.add(image_id)
    return ids


def _nested_root(root: Path) -> str:
    """A hint for those who name the folder above, as VOCdevkit is above VOC2012."""
    for pattern in ("*", "*/*"):
        for nested in sorted(root.glob(f"{pattern}/ImageSets/Segmentation")):
            return f"; did you mean {nested.parent.parent}?"
    return ""


def _check_files(folder: Path, ending: str, ids: tuple[str, ...], split: str) -> None:
    """Compare with one listing of the folder: thousands of single look-ups are slow over nets."""
    if not folder.is_dir():
        raise DataError(f"{folder} does not exist")
    there = {path.name for path in folder.iterdir()}
    missing = [name for name in (f"{image_id}.{ending}" for image_id in ids) if name not in there]
    if missing:
        raise DataError(
            f"{folder / missing[0]} does not exist "
            f"({len(missing)} of the {len(ids)} images of split {split!r} have no file there)"
        )


def _read_picture(path: Path) -> Image:
    """A picture as RGB uint8 [H, W, 3], pixels in the order of the file as the masks have them."""
    with _open(path) as picture:
        return np.array(picture.convert("RGB"))


def _read_indices(path: Path) -> NDArray[np.uint8]:
    """A palette or grey PNG as the numbers that it stores, uint8 [H, W]."""
    with _open(path) as picture:
        if picture.mode not in ("P", "L"):
            raise DataError(
                f"{path}: mode {picture.mode}; a mask is a palette (P) or 8-bit grey (L) picture"
            )
        return np.array(picture)


def _open(path: Path) -> PillowImage.Image:
    """Open and decode, with every failure of Pillow turned into an error that names the file."""
    try:
        data = path.read_bytes()
        if not data:
            raise DataError(f"{path} is empty (0 bytes)")
        picture = PillowImage.open(BytesIO(data))
        picture.load()
    except UnidentifiedImageError as error:
        raise DataError(f"{path} is not a picture") from error
    # SyntaxError and ValueError are what Pillow's PNG and JPEG readers raise on broken chunks,
    # DecompressionBombError what it makes of a broken header that promises a giant picture
    except (OSError, SyntaxError, ValueError, PillowImage.DecompressionBombError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    return picture


def _check_size(
    path: Path, pixels: NDArray[np.uint8], mask_path: Path, mask: NDArray[np.uint8]
) -> None:
    if pixels.shape[:2] != mask.shape:
        height, width = pixels.shape[:2]
        mask_height, mask_width = mask.shape
        raise DataError(
            f"{path} is {width}x{height} pixels, but {mask_path} is {mask_width}x{mask_height}"
        )

"""Data sets in COCO's JSON format: polygons or run lengths, several images per file.

A crowd (``iscrowd``) is void. Masks that overlap are painted by the rules of ``painting``.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from streamseg.datasets import coco_masks
from streamseg.datasets.class_names import all_of
from streamseg.datasets.coco_json import read_annotations
from streamseg.datasets.interface import InstanceDataset
from streamseg.datasets.object_maps import ObjectMaps
from streamseg.datasets.painting import VOID_CLASS, paint
from streamseg.datasets.splits import check_files, check_ids
from streamseg.errors import DataError


class CocoFile(InstanceDataset):
    """The images that one COCO annotation file describes.

    All annotations are kept in memory, checked and ready to draw: about 8 bytes for each number
    of the file. An id is an image's file name without ending.

    Attributes:
        file: the annotation file.
        folder: the folder of the images.
    """

    def __init__(self, file: Path | str, folder: Path | str | None = None) -> None:
        """Read the annotations and check that every image is there.

        Args:
            file: the annotation file, for instance ``annotations/instances_val2017.json``.
            folder: where its file names start from. By default the first of these that holds
                the first image: the folder of the file, ``images`` in it, ``images`` in the
                folder above, and there for ``instances_val2017.json`` also ``val2017`` and
                ``images/val2017``.

        Raises:
            DataError: the file or an image is missing; the file is not COCO JSON; an annotation
                names an unknown image or category or has a broken mask; there are no
                categories, or too many.
        """
        self.file = Path(file)
        images, self.class_names = read_annotations(self.file)
        self.labelled_classes = all_of(self.class_names)
        self.ids = tuple(image.id for image in images)
        check_ids(self.file, self.ids)
        self.folder = Path(folder) if folder else _find_folder(self.file, images[0].file_name)
        check_files(self.folder, [image.file_name for image in images], self.file.stem)
        self._images = dict(zip(self.ids, images, strict=True))

    @cached_property
    def object_classes(self) -> list[tuple[int, ...]]:
        """For each image the classes of its annotations without crowds, as the file lists them."""
        return [
            tuple(
                a.class_id for a in image.annotations if a.class_id != VOID_CLASS and len(a.shape)
            )
            for image in self._images.values()
        ]

    def image_path(self, image_id: str) -> Path:
        """The image's file."""
        return self.folder / self._images[image_id].file_name

    def read_maps(self, image_id: str) -> ObjectMaps:
        """Draw the annotations of one image."""
        image = self._images[image_id]
        shape = image.height, image.width
        masks = [coco_masks.encode(annotation.shape, *shape) for annotation in image.annotations]
        classes = [annotation.class_id for annotation in image.annotations]
        return paint(image_id, shape, masks, classes)


def _find_folder(file: Path, image: str) -> Path:
    here, above, split = file.parent, file.parent.parent, file.stem.removeprefix("instances_")
    folders = (here, here / "images", above / "images", above / split, above / "images" / split)
    for folder in folders:
        if (folder / image).is_file():
            return folder
    raise DataError(f"{file} lists {image}, which is in none of {', '.join(map(str, folders))}")

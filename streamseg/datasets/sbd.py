"""The Semantic Boundaries Dataset (SBD) of Hariharan et al. 2011, as it is distributed.

::

    root/                     in the download: benchmark_RELEASE/dataset
      {split}.txt             one image id per line
      img/{id}.jpg
      inst/{id}.mat           struct GTinst: Segmentation [H, W], 0 background, k the k-th object;
                              Categories [n], the class 1..20 of object k at k-1

Its train split holds images of VOC's validation set: to score on those, train on another list.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamseg.classes import VOC_CLASSES
from streamseg.datasets.class_names import all_of
from streamseg.datasets.interface import InstanceDataset
from streamseg.datasets.object_maps import MOST_OBJECTS, VOID, ObjectMaps, number_objects
from streamseg.datasets.splits import check_files, read_split
from streamseg.errors import DataError


class SbdLayout(InstanceDataset):
    """One split of SBD. All classes of VOC are labelled; there is no void.

    Attributes:
        root: the folder that holds ``inst`` and ``img``.
        split: name of the split.
    """

    def __init__(self, root: Path | str, split: str) -> None:
        """Read the split and check that every file it needs is there.

        Args:
            root: the folder that holds ``inst`` and ``img``.
            split: which ``{split}.txt`` to read.

        Raises:
            DataError: a folder, the split file, an image or a mask is missing; the split is
                empty or names an image twice.
        """
        self.root = Path(root)
        self.split = split
        self.ids = read_split(self.root, split)
        self.class_names = VOC_CLASSES
        self.labelled_classes = all_of(VOC_CLASSES)
        check_files(self.root / "img", [f"{image_id}.jpg" for image_id in self.ids], split)
        check_files(self.root / "inst", [f"{image_id}.mat" for image_id in self.ids], split)

    def image_path(self, image_id: str) -> Path:
        """The image's file."""
        return self.root / "img" / f"{image_id}.jpg"

    def read_maps(self, image_id: str) -> ObjectMaps:
        """Read the instance masks of one image.

        Raises:
            DataError: the file is not a MATLAB file with ``GTinst``; it has more than 254 objects,
                a class that VOC has not, or an object without class.
        """
        path = self.root / "inst" / f"{image_id}.mat"
        instances = _read_struct(path, "GTinst")
        segmentation = _whole_numbers(path, instances, "Segmentation")
        classes = _whole_numbers(path, instances, "Categories").ravel()
        if segmentation.ndim != 2:
            raise DataError(f"{path}: Segmentation must be [H, W], got {list(segmentation.shape)}")
        if len(classes) > MOST_OBJECTS:
            raise DataError(
                f"{path} has {len(classes)} objects; at most {MOST_OBJECTS} can be told apart"
            )
        wrong = classes[(classes < 1) | (classes > len(VOC_CLASSES))]
        if wrong.size:
            raise DataError(f"{path} holds class {wrong[0]}; allowed are 1 to {len(VOC_CLASSES)}")
        unknown = segmentation[(segmentation < 0) | (segmentation > len(classes))]
        if unknown.size:
            raise DataError(
                f"{path} holds object {unknown[0]}, but gives classes to {len(classes)}"
            )
        class_of_value = np.zeros(VOID + 1, np.int64)
        class_of_value[1 : len(classes) + 1] = classes
        return number_objects(image_id, segmentation.astype(np.uint8), class_of_value)


def _read_struct(path: Path, name: str) -> np.void:
    """The only element of a struct of a MATLAB file: fields by name, each an array."""
    from scipy.io import loadmat

    try:
        values = loadmat(BytesIO(path.read_bytes()), variable_names=[name])
    # of a damaged file loadmat lets through whatever its parser trips over, even
    # UnboundLocalError: no list of errors would be complete
    except Exception as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    struct = values.get(name)
    if not isinstance(struct, np.ndarray) or not struct.dtype.names or struct.size != 1:
        raise DataError(f"{path} holds no struct {name}")
    element: np.void = struct.flat[0]
    return element


def _whole_numbers(path: Path, struct: np.void, field: str) -> NDArray[np.int64]:
    """A field of the struct, of whatever dtype it is."""
    if field not in (struct.dtype.names or ()):
        raise DataError(f"{path}: GTinst has no {field}")
    values = np.asarray(struct[field])
    if values.dtype.kind not in "uif" or not np.array_equal(values, np.trunc(values)):
        raise DataError(f"{path}: {field} must hold whole numbers, got {values.dtype}")
    return values.astype(np.int64)

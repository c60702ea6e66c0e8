"""Other classes for a data set: by a table that the user wrote, or those of a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamseg.classes import distinct, plain_name
from streamseg.datasets.class_names import ids_by_name
from streamseg.datasets.interface import InstanceDataset
from streamseg.datasets.object_maps import VOID, ObjectMaps, number_objects
from streamseg.errors import ConfigError, DataError
from streamseg.frame import Image

TO_BACKGROUND: Final = "background"
TO_VOID: Final = "void"


class RelabelledDataset(InstanceDataset):
    """A data set whose objects have other classes, or none.

    Attributes:
        data: the data set as it is on disk.
        becomes: int64 [C + 1]: for each class of ``data`` the class here, 0 for background, -1
            for void; 0 at 0.
    """

    def __init__(
        self, data: InstanceDataset, class_names: Sequence[str], becomes: NDArray[np.int64]
    ) -> None:
        """Relabel ``data``; a class is labelled if all classes that become it are."""
        self.data = data
        self.becomes = becomes
        self.ids = data.ids
        self.class_names = tuple(class_names)
        labelled = {int(becomes[k]) for k in data.labelled_classes}
        unlabelled = {
            int(becomes[k])
            for k in range(1, len(data.class_names) + 1)
            if k not in data.labelled_classes
        }
        self.labelled_classes = frozenset(k for k in labelled - unlabelled if k > 0)

    @cached_property
    def object_classes(self) -> list[tuple[int, ...]]:
        """For each image the classes of its objects here."""
        return [
            tuple(int(k) for k in self.becomes[list(classes)] if k > 0) if classes else ()
            for classes in self.data.object_classes
        ]

    def image_path(self, image_id: str) -> Path:
        """The image's file."""
        return self.data.image_path(image_id)

    def read_image(self, maps: ObjectMaps) -> Image:
        """Read the image of these objects, as the data set on disk does."""
        return self.data.read_image(maps)

    def read_maps(self, image_id: str) -> ObjectMaps:
        """Read the objects of an image; those that are not objects here lose their number."""
        maps = self.data.read_maps(image_id)
        classes = self.becomes[maps.class_of_object]
        if (classes > 0).all():
            return ObjectMaps(id=maps.id, object_map=maps.object_map, class_of_object=classes)
        value = np.arange(256, dtype=np.uint8)
        class_of_value = np.zeros(256, np.int64)
        for number, class_id in enumerate(classes.tolist(), start=1):
            class_of_value[number] = class_id
            if class_id <= 0:
                value[number] = VOID if class_id else 0
        return number_objects(maps.id, value[maps.object_map], class_of_value)


def with_mapping(data: InstanceDataset, mapping: Mapping[str, str]) -> InstanceDataset:
    """Rename classes of a data set as the user's table ``[classes]`` says.

    Args:
        data: any data set.
        mapping: by the name of a class, in any spelling, what it becomes: the name of a class,
            ``background`` or ``void``. Names that the data set lacks change nothing.

    Returns:
        ``data`` itself if nothing changes. Classes keep their order; those with one name are one.

    Raises:
        DataError: no class is left.
    """
    table = {plain_name(name): target for name, target in mapping.items()}
    targets = [table.get(plain_name(name), name) for name in data.class_names]
    kept = [name for name in targets if plain_name(name) not in (TO_BACKGROUND, TO_VOID)]
    if tuple(kept) == data.class_names:
        return data
    if not kept:
        raise DataError(f"of the classes {', '.join(data.class_names)} of the data none is left")
    names = distinct(kept)
    ids = {**ids_by_name(names), TO_BACKGROUND: 0, TO_VOID: -1}
    becomes = [0, *(ids[plain_name(target)] for target in targets)]
    return RelabelledDataset(data, names, np.array(becomes, np.int64))


def with_classes(data: InstanceDataset, class_names: Sequence[str]) -> InstanceDataset:
    """Number the classes of a data set as a model does.

    Args:
        data: any data set.
        class_names: of the model.

    Raises:
        ConfigError: the model lacks a class that the data set labels. Objects of other classes
            that the model lacks are void.
    """
    if data.class_names == tuple(class_names):
        return data
    ids = ids_by_name(class_names)
    labelled = [data.class_names[k - 1] for k in sorted(data.labelled_classes)]
    if missing := [name for name in labelled if plain_name(name) not in ids]:
        raise ConfigError(
            f"class_names lacks {', '.join(missing)} of the data; add them there, or say in "
            f"[classes] what they become"
        )
    becomes = [0, *(ids.get(plain_name(name), -1) for name in data.class_names)]
    return RelabelledDataset(data, class_names, np.array(becomes, np.int64))


def taught_classes(datasets: Iterable[InstanceDataset]) -> tuple[str, ...]:
    """The names of all classes that data sets label or have objects of, each once."""
    return distinct(
        name
        for data in datasets
        for k, name in enumerate(data.class_names, start=1)
        if k in data.labelled_classes or any(k in classes for classes in data.object_classes)
    )


@dataclass(frozen=True)
class MappedClass:
    """What becomes of a class of the data."""

    name: str
    """In the data, before the user's table."""
    objects: int
    becomes: str
    """Name of a class of the data, ``background`` or ``void``."""
    is_known: bool
    """The model has this class, or none is needed."""


def mapped_classes(
    datasets: Iterable[InstanceDataset], mapping: Mapping[str, str], class_names: Sequence[str]
) -> list[MappedClass]:
    """List what becomes of each class that data sets label or have objects of.

    Args:
        datasets: as they are on disk, without the user's table.
        mapping: the user's table, see ``with_mapping``.
        class_names: of the model.
    """
    table = {plain_name(name): target for name, target in mapping.items()}
    known = {plain_name(name) for name in (*class_names, TO_BACKGROUND, TO_VOID)}
    objects: Counter[str] = Counter()
    names: dict[str, str] = {}
    for data in datasets:
        counts = Counter(k for classes in data.object_classes for k in classes)
        for k, name in enumerate(data.class_names, start=1):
            if k in data.labelled_classes or counts[k]:
                objects[names.setdefault(plain_name(name), name)] += counts[k]
    found = []
    for plain, name in names.items():
        target = table.get(plain, name)
        found.append(MappedClass(name, objects[name], target, plain_name(target) in known))
    return found

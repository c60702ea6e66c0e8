"""Provenance of a score: the model, the images, the ground truth, the predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from streamseg.datasets import ObjectMaps
from streamseg.errors import DataError, ModelError
from streamseg.files.text import read_json, read_text

GROUND_TRUTH_NOTE: Final = "GROUND_TRUTH.txt"
"""A file in the data's folder that says in a line or two where its masks come from."""


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Model and data of an evaluation."""

    streamseg_version: str
    model: str
    runtime: str
    """The network's runtime and number of threads."""
    predictions: str
    """Which predictions: the stream's disjoint instances or the paper's proposals."""
    data: str
    """Folder of the images and of the ground truth."""
    split: str
    ground_truth: str
    """Description of the masks in the data's folder."""
    ground_truth_sha256: str
    """Digest of the digests of all images evaluated (``truth_digest``): scores with different
    ones were not measured on the same ground truth."""
    images_in_split: int
    images_evaluated: int
    training_images: str
    """How images that the model was trained on were handled."""
    stopped: bool
    """Interrupted: not all images were evaluated."""

    def lines(self) -> list[tuple[str, str]]:
        """Names and values for display."""
        counted = f"{self.images_evaluated} of {self.images_in_split} in split {self.split}"
        return [
            ("model", self.model),
            ("runtime", self.runtime),
            ("predictions", self.predictions),
            ("images", f"{counted} of {self.data}" + (", STOPPED EARLY" * self.stopped)),
            ("training images", self.training_images),
            ("ground truth", self.ground_truth),
            ("its SHA-256", self.ground_truth_sha256[:16]),
            ("streamseg", self.streamseg_version),
        ]

    def to_json(self) -> dict[str, Any]:
        """In JSON's own types."""
        return asdict(self)


def training_images(model: Path) -> frozenset[str] | None:
    """Read the ids of a model's training images from the card beside it.

    Args:
        model: the model's file.

    Returns:
        The ids; None if there is no card, or none that lists images.

    Raises:
        ModelError: the card cannot be read.
    """
    card = card_of(model)
    if not card.exists():
        return None
    values = read_json(card, ModelError)
    listed = values.get("training_images") if isinstance(values, dict) else None
    if listed is None:
        return None
    if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
        raise ModelError(f"{card}: training_images must be a list of image ids")
    return frozenset(listed)


def card_of(model: Path) -> Path:
    """The card beside a model's file: ``name.json`` for ``name.onnx`` and ``name.int8.onnx``."""
    return model.with_name(model.name.removesuffix(".onnx").removesuffix(".int8") + ".json")


def held_out(
    ids: tuple[str, ...], models: Sequence[Path], *, include_training_images: bool
) -> tuple[tuple[str, ...], str]:
    """Remove the images from a split that any of the models was trained on.

    Args:
        ids: the split.
        models: their files.
        include_training_images: keep them, and say so.

    Returns:
        The ids to evaluate and a sentence on what was done.

    Raises:
        DataError: none is left.
        ModelError: a model's card cannot be read.
    """
    trained_on: set[str] = set()
    unknown = []
    for model in models:
        listed = training_images(model)
        if listed is None:
            unknown.append(card_of(model).name)
        else:
            trained_on |= listed
    note = f"unknown: no card {', '.join(unknown)} lists any" if unknown else ""
    if len(unknown) == len(models):
        return ids, note
    note = note and f"; {note}"
    rest = tuple(image_id for image_id in ids if image_id not in trained_on)
    count = len(ids) - len(rest)
    if include_training_images:
        return ids, f"{count} of these images were trained on and INCLUDED{note}"
    if not rest:
        raise DataError(
            f"the model was trained on all {count} images of this split; choose another "
            "--split, or --include-training-images"
        )
    return rest, f"{count} left out of the split{note}"


def truth_digest(sample: ObjectMaps) -> bytes:
    """SHA-256 of the ground truth of one image: id, size, objects and classes."""
    name = f"{sample.id} {sample.object_map.shape}\n".encode()
    return sha256(
        name + sample.object_map.tobytes() + sample.class_of_object.astype("<i8").tobytes()
    ).digest()


def describe_ground_truth(data: Path) -> str:
    """Read the description of the masks from the data's folder.

    Raises:
        DataError: the note cannot be read.
    """
    note = (data if data.is_dir() else data.parent) / GROUND_TRUTH_NOTE
    if not note.exists():
        return f"the masks of {data.name}; no {GROUND_TRUTH_NOTE} describes them"
    return " ".join(read_text(note, DataError).split())

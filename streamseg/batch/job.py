"""Describe what a run does with each recording: model, options, formats."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from streamseg.batch.files import content_hash, reaching
from streamseg.batch.shares import Shares
from streamseg.classes import Classes
from streamseg.errors import ConfigError, ModelError
from streamseg.formats.opening import ALL_FORMATS
from streamseg.loading import RUNTIMES, SHIPPED_MODELS, WEIGHTS_SUFFIX, load, model_path
from streamseg.segmenter import Segmenter
from streamseg.video.options import SourceOptions
from streamseg.video.recordings.paths import split_topic

VERSION: Final = version("streamseg")
"""Workers on all machines must have the same."""
MULTI_CAMERA_FORMATS: Final = frozenset({"jsonl", "mcap", "parquet"})
"""Formats whose files can hold several cameras."""
FILE_OF_FORMAT: Final = {
    "coco": "coco.json",
    "youtube-vis": "youtube-vis.json",
    "mots": "mots.txt",
    "mots-png": "mots-png",
    "kitti-step": "kitti-step",
    "voc": "voc",
    "rerun": "part.rrd",
    "video": "part.mp4",
}
"""Names of files in the folder of a recording; those of other formats are ``part.FORMAT``."""


@dataclass(frozen=True)
class Job:
    """Everything that decides what the results of a recording are; see ``load`` for most of it.

    Raises:
        ConfigError: a format or runtime is unknown, no format is named, several topics are given
            to a format that holds one camera, or ``chunk_seconds`` is not a finite number above 0.
    """

    formats: tuple[str, ...] = ("parquet",)
    topics: tuple[str, ...] = ()
    """Camera topics of MCAP files and ROS bags; empty takes the only one."""
    model: str | None = None
    size: tuple[int, int] | None = None
    max_pixels: int | None = None
    min_score: float | None = None
    classes: Classes | None = None
    runtime: str = "auto"
    source_options: SourceOptions = field(default_factory=SourceOptions)
    chunk_seconds: float | None = None
    """Longer recordings are split into chunks of at least this length; None splits none."""

    def __post_init__(self) -> None:
        """Check the names."""
        if not self.formats:
            raise ConfigError("name at least one format")
        for name in self.formats:
            if name not in ALL_FORMATS:
                raise ConfigError(f"unknown format {name!r}; there are {', '.join(ALL_FORMATS)}")
            if len(self.topics) > 1 and name not in MULTI_CAMERA_FORMATS:
                raise ConfigError(
                    f"{name} holds one camera only: name one topic, or write "
                    + " or ".join(sorted(MULTI_CAMERA_FORMATS))
                )
        if self.runtime not in RUNTIMES:
            raise ConfigError(f"runtime must be one of {', '.join(RUNTIMES)}, got {self.runtime!r}")
        if self.chunk_seconds is not None and not 0 < self.chunk_seconds < math.inf:
            raise ConfigError(
                f"chunk_seconds must be a finite number above 0, got {self.chunk_seconds:g}"
            )

    def load(self, shares: Shares) -> Segmenter:
        """Load the model in a worker, with the threads and GPUs of its shares.

        Raises:
            StreamsegError: those of ``streamseg.load``.
        """
        if self.runtime == "auto" and not shares.gpus:
            os.environ["CUDA_VISIBLE_DEVICES"] = ""
        return load(
            self.model,
            size=self.size,
            max_pixels=self.max_pixels,
            threads=shares.threads,
            min_score=self.min_score,
            classes=self.classes,
            runtime=self.runtime,
        )

    def options(self) -> dict[str, Any]:
        """Return the options that change the results and differ from their default, as JSON values.

        The model is not included.
        """
        source_options = {
            name: value
            for name, value in _changed(self.source_options).items()
            if name != "threads"  # it does not change the results
        }
        values = {**_changed(self), "formats": sorted(self.formats)}
        for name in ("model", "source_options", "chunk_seconds"):
            values.pop(name, None)
        if source_options:
            values["source_options"] = source_options
        options: dict[str, Any] = json.loads(json.dumps(values))
        return options


def _changed(options: Job | SourceOptions) -> dict[str, Any]:
    """The fields that differ from their default: a new field does not make results old."""
    default = type(options)()
    return {
        field.name: getattr(options, field.name)
        for field in fields(options)
        if getattr(options, field.name) != getattr(default, field.name)
    }


def portable_model(model: str | os.PathLike[str] | None) -> str | None:
    """Return the name of a shipped model, or the absolute path of a file; None for the default."""
    if model is None:
        return None
    text = os.fspath(model)
    return text if text in SHIPPED_MODELS else os.path.abspath(text)


def sources_of(path: Path, topics: Sequence[str]) -> str | list[str]:
    """Return what to open: the path, or the path with each topic."""
    if not topics or split_topic(str(path)) is None:
        return str(path)
    named = [f"{path}#{topic}" for topic in topics]
    return named[0] if len(named) == 1 else named


def file_of(format_name: str) -> str:
    """Return the name of a format's file or folder in a recording's folder.

    >>> file_of("parquet"), file_of("coco")
    ('part.parquet', 'coco.json')
    """
    return FILE_OF_FORMAT.get(format_name, f"part.{format_name}")


def model_hash(model: str | None) -> str:
    """Compute the SHA-256 of a model: the ONNX file with its weights file, or a release folder.

    Raises:
        ModelError: there is no such file, or it cannot be read.
    """
    path = model_path(model)
    if path.is_dir():
        return content_hash(path)
    if not path.is_file():
        raise ModelError(f"model file {path} does not exist")
    files = {path.with_suffix(suffix) for suffix in (".onnx", WEIGHTS_SUFFIX)} | {path}
    with reaching(str(path), ModelError):
        # another way to compute it would make all finished archives old
        hashes = [
            hashlib.sha256(b".\0" + file.read_bytes()).hexdigest()
            for file in sorted(files)
            if file.is_file()
        ]
    return hashlib.sha256("".join(hashes).encode()).hexdigest()
